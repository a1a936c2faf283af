"""Trains a convolutional GAN on images of 28x28 pixels, such as MNIST.

The generator maps a latent vector of 100 uniform numbers to an image by two dense layers and two
transposed convolutions with batch normalization. The discriminator has two convolutions and two
dense layers. Both are updated in turn with the non-saturating loss, on the same latent noise.

`python -m experiments.mnist_cnn` trains for 25 epochs: 11,700 train steps on MNIST, about 0.3 s
each on two 2.5 GHz CPU cores. The first digits are legible after one epoch, most after five.
`--preset tuned` trains for five epochs with R1 on a few images of each batch, a falling learning
rate and a moving average of the generator; most of its digits are legible after one epoch.
`--preset quick` trains for one epoch of smaller batches, with a higher learning rate of the
generator; its digits are legible after half a minute. The learning rates are 0 after 2,340 and 938
steps: set --decay-steps together with --steps, --epochs or --batch-size.
"""

import dataclasses
from pathlib import Path
from typing import Any, ClassVar, Literal

from jaxgan import GAN, augment, losses, make_gan, models, penalties, priors
from jaxgan.runs.command_line import exit_on_error, parse_cli
from jaxgan.runs.config import PRECISIONS, AdamConfig
from jaxgan.runs.finish import finish_run
from jaxgan.runs.image_runner import train_on_images

TUNED: dict[str, Any] = dict(
    epochs=5,
    learning_rate=2e-3,
    decay_steps=2_340,
    b1=0.0,
    b2=0.9,
    r1_gamma=1.0,
    penalty_batch_size=16,
    ema_half_life=20_000.0,
)
# In short runs, samples improve soonest with a fast generator, and a slow discriminator with a
# strong penalty. docs/presets.md compares other values.
QUICK: dict[str, Any] = TUNED | dict(
    epochs=1,
    batch_size=64,
    learning_rate=8e-3,
    d_learning_rate=1e-3,
    decay_steps=938,
    r1_gamma=10.0,
    ema_half_life=10_000.0,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(AdamConfig):
    """Options of the experiment; the defaults are those of the documented run."""

    preset: Literal["faithful", "tuned", "quick"] = "faithful"
    """faithful: the tutorial's settings, with PyTorch's initialization. tuned: better samples in a
    fifth of the train steps. quick: one epoch with half the batch size, a fast generator, a slow
    discriminator and a strong R1."""
    workdir: Path = Path("runs/mnist_cnn")
    epochs: int | None = 25
    penalty_batch_size: int | None = None
    """Real images of each batch on which R1 is computed. Unset, or above the batch size: all."""

    presets: ClassVar = {"tuned": TUNED, "quick": QUICK}


def build(config: Config) -> GAN:
    """Returns the GAN of a configuration."""
    d_tx, g_tx = config.make_optimizers()
    shared = {"num_classes": config.num_classes, **PRECISIONS[config.precision]}
    penalty = penalties.r1(config.r1_gamma) if config.r1_gamma else None
    if penalty is not None and config.penalty_batch_size is not None:
        penalty = penalties.subsample(penalty, config.penalty_batch_size)
    return make_gan(
        generator=models.ConvGenerator(**shared),
        discriminator=models.ConvDiscriminator(**shared),
        loss=losses.non_saturating,
        d_tx=d_tx,
        g_tx=g_tx,
        prior=priors.uniform(config.latent_dim),
        penalty=penalty,
        augment=augment.diff_augment(config.augment or ()),
        field_transform=config.make_field_transform(),
        ema_half_life=config.ema_half_life,
    )


def main() -> None:
    """Parses the command line and trains."""
    with exit_on_error():
        config = parse_cli(Config)
        _, step = train_on_images(config, build)
        finish_run(config, step)


if __name__ == "__main__":
    main()
