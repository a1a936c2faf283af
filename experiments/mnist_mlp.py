"""Trains a GAN of two MLPs on images of 28x28 pixels, such as MNIST.

The generator maps a latent vector of 100 uniform numbers to an image by two hidden layers of 256
units; the discriminator takes the image as 784 numbers. Both are updated in turn with the
non-saturating loss, on the same latent noise, by Adam with a low momentum (beta1 = 0.5).

`python -m experiments.mnist_mlp` trains for 25 epochs: 11,700 train steps on MNIST, about 9 ms each
on two 2.5 GHz CPU cores. The digits are legible and noisy; `--g-layers 3` makes the generator
deeper. `--preset tuned` adds batch normalization in the generator, R1 and a moving average; its
digits have no specks.
"""

import dataclasses
from pathlib import Path
from typing import ClassVar, Literal

from jaxgan import GAN, augment, losses, make_gan, models, penalties, priors
from jaxgan.runs.command_line import exit_on_error, parse_cli
from jaxgan.runs.config import PRECISIONS, AdamConfig
from jaxgan.runs.finish import finish_run
from jaxgan.runs.image_runner import train_on_images


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(AdamConfig):
    """Options of the experiment; the defaults are those of the documented run."""

    preset: Literal["faithful", "tuned"] = "faithful"
    """faithful: the tutorial's settings, with PyTorch's initialization. tuned: better samples in as
    many train steps."""
    workdir: Path = Path("runs/mnist_mlp")
    epochs: int | None = 25
    steps_per_block: int = 100
    g_width: int = 256
    """Units of each hidden layer of the generator."""
    g_layers: int = 2
    """Hidden layers of the generator."""
    batch_norm: bool = False
    """Apply batch normalization to the generator's hidden layers."""

    presets: ClassVar = {
        "tuned": dict(
            learning_rate=1e-3,
            b1=0.0,
            b2=0.9,
            r1_gamma=1.0,
            batch_norm=True,
            ema_half_life=10_000.0,
        )
    }


def build(config: Config) -> GAN:
    """Returns the GAN of a configuration."""
    d_tx, g_tx = config.make_optimizers()
    shared = {"num_classes": config.num_classes, **PRECISIONS[config.precision]}
    widths = (config.g_width,) * config.g_layers
    return make_gan(
        generator=models.MLPGenerator(widths=widths, batch_norm=config.batch_norm, **shared),
        discriminator=models.MLPDiscriminator(**shared),
        loss=losses.non_saturating,
        d_tx=d_tx,
        g_tx=g_tx,
        prior=priors.uniform(config.latent_dim),
        penalty=penalties.r1(config.r1_gamma) if config.r1_gamma else None,
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
