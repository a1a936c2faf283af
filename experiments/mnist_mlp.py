"""Two multilayer perceptrons learn to write digits.

The generator turns 100 uniform numbers into a picture with two hidden layers of 256 units, the discriminator reads the
picture as 784 numbers. Both move by turns under the non-saturating loss, each pair of updates playing the same noise,
and Adam's momentum is low, because the opponent moves too.

`python -m experiments.mnist_mlp` trains for 25 epochs: 11,700 train steps on MNIST, at about 9 ms each on two 2.5 GHz
CPU cores. The digits are legible and noisy; a deeper generator is `--g-layers 3`.
"""

import dataclasses
from pathlib import Path
from typing import ClassVar, Literal

from jaxgan import GAN, losses, make_gan, models, optimizers, priors
from jaxgan.launch import train_on_images
from jaxgan.settings import PRECISIONS, ImageSettings, command_line, ends_plainly


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(ImageSettings):
    """The documented run."""

    preset: Literal["faithful"] = "faithful"
    """faithful: PyTorch's initialisation, and the settings of the tutorial."""
    workdir: Path = Path("runs/mnist_mlp")
    epochs: int | None = 25
    block: int = 100
    learning_rate: float = 3e-4
    """Adam's, for both networks."""
    noise: int = 100
    """Numbers that a sample is made of, uniform on [-1, 1]."""
    g_width: int = 256
    """Units of each hidden layer of the generator."""
    g_layers: int = 2
    """Hidden layers of the generator."""

    seconds_per_step: ClassVar[float] = 0.009


def build(config: Config) -> GAN:
    """The two players of the settings."""
    dtypes = PRECISIONS[config.precision]
    return make_gan(
        generator=models.MLPGenerator(widths=(config.g_width,) * config.g_layers, **dtypes),
        discriminator=models.MLPDiscriminator(**dtypes),
        loss=losses.non_saturating,
        d_tx=optimizers.adam(config.learning_rate),
        g_tx=optimizers.adam(config.learning_rate),
        prior=priors.uniform(config.noise),
    )


def main() -> None:
    """Trains as the command line says."""
    with ends_plainly():
        train_on_images(command_line(Config), build)


if __name__ == "__main__":
    main()
