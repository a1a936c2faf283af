"""Two multilayer perceptrons learn to write digits, from normal noise.

The generator turns 100 normal numbers into a picture with two hidden layers of 256 units, the discriminator reads the
picture as 784 numbers and gives the probability that it is real. Its loss is the binary cross-entropy of that
probability, computed on the logit, which is the same number and never infinite. The generator's update plays noise of
its own, and Adam keeps its usual momentum.

`python -m experiments.mnist_mlp_bce` trains for 50 epochs: 50,000 train steps of 60 images on MNIST, at about 7 ms each
on two 2.5 GHz CPU cores. `--preset tuned`, with batch normalisation in the generator, R1 and a moving average, takes as
many.
"""

import dataclasses
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

from flax import linen as nn

from jaxgan import GAN, losses, make_gan, models, optimizers, penalties, priors
from jaxgan.runs.command_line import exit_on_error, parse_cli
from jaxgan.runs.config import PRECISIONS, AdamConfig
from jaxgan.runs.image_runner import train_on_images


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(AdamConfig):
    """The documented run."""

    preset: Literal["faithful", "tuned"] = "faithful"
    """faithful: PyTorch's initialisation, and the settings of the tutorial. tuned: what paints better at its length."""
    workdir: Path = Path("runs/mnist_mlp_bce")
    epochs: int | None = 50
    batch_size: int = 60
    share_noise: bool = False
    block: int = 100
    b1: float = 0.9
    g_width: int = 256
    """Units of each hidden layer of the generator."""
    g_layers: int = 2
    """Hidden layers of the generator."""
    batch_norm: bool = False
    """Normalise the generator's hidden layers by the batch."""

    seconds_per_step: ClassVar[float] = 0.007
    presets: ClassVar = {
        "tuned": dict(
            learning_rate=1e-3, b1=0.0, b2=0.9, gamma=1.0, batch_norm=True, half_life=10_000.0
        ),
    }


def build(config: Config) -> GAN:
    """The two players of the settings."""
    dtypes = PRECISIONS[config.precision]
    return make_gan(
        generator=models.MLPGenerator(
            widths=(config.g_width,) * config.g_layers,
            last_hidden=partial(nn.leaky_relu, negative_slope=0.01),
            batch_norm=config.batch_norm,
            **dtypes,
        ),
        discriminator=models.MLPDiscriminator(**dtypes),
        loss=losses.non_saturating,
        d_tx=optimizers.adam(config.learning_rate, config.b1, config.b2),
        g_tx=optimizers.adam(config.learning_rate, config.b1, config.b2),
        prior=priors.normal(config.noise),
        penalty=penalties.r1(config.gamma) if config.gamma else None,
        ema_half_life=config.half_life,
    )


def main() -> None:
    """Trains as the command line says."""
    with exit_on_error():
        train_on_images(parse_cli(Config), build)


if __name__ == "__main__":
    main()
