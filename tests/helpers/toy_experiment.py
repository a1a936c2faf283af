"""An experiment with a small GAN for images of 28x28 pixels, which trains in seconds."""

import dataclasses
import functools
from pathlib import Path

import jax.numpy as jnp
from flax import linen as nn

from jaxgan import GAN, losses, make_gan, optimizers, priors
from jaxgan.runs.command_line import exit_on_error, parse_cli
from jaxgan.runs.config import ImageRunConfig
from jaxgan.runs.finish import finish_run
from jaxgan.runs.image_runner import train_on_images


class Generator(nn.Module):
    """One hidden layer."""

    width: int

    @nn.compact
    def __call__(self, z, *, train):
        return jnp.tanh(nn.Dense(784)(nn.relu(nn.Dense(self.width)(z)))).reshape(-1, 28, 28, 1)


class Discriminator(nn.Module):
    """One hidden layer."""

    width: int

    @nn.compact
    def __call__(self, x, *, train):
        return nn.Dense(1)(nn.relu(nn.Dense(self.width)(x.reshape(len(x), -1)))).squeeze(-1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(ImageRunConfig):
    """Options; the defaults are the default run."""

    workdir: Path = Path("runs/toy")
    epochs: int | None = 25
    width: int = 16
    """Units of the hidden layers."""


def build(config: Config) -> GAN:
    """Returns the GAN of a configuration."""
    return build_width(config.width)


@functools.cache  # so that the runs of a process share what is traced and compiled
def build_width(width: int) -> GAN:
    """Returns the GAN with hidden layers of `width` units."""
    tx = optimizers.adam(1e-3)
    return make_gan(
        generator=Generator(width),
        discriminator=Discriminator(width),
        loss=losses.non_saturating,
        d_tx=tx,
        g_tx=tx,
        prior=priors.uniform(8),
    )


def main() -> None:
    """Parses the command line and trains."""
    with exit_on_error():
        config = parse_cli(Config)
        _, step = train_on_images(config, build)
        finish_run(config, step)


if __name__ == "__main__":
    main()
