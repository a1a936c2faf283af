"""A small GAN for 28x28 images, that learns little but quickly."""

import dataclasses
from pathlib import Path
from typing import ClassVar

import jax.numpy as jnp
from flax import linen as nn

from jaxgan import GAN, losses, make_gan, optimizers, priors
from jaxgan.runs.command_line import exit_on_error, parse_cli
from jaxgan.runs.config import ImageRunConfig
from jaxgan.runs.image_runner import train_on_images


class Generator(nn.Module):
    width: int

    @nn.compact
    def __call__(self, z, *, train):
        return jnp.tanh(nn.Dense(784)(nn.relu(nn.Dense(self.width)(z)))).reshape(-1, 28, 28, 1)


class Discriminator(nn.Module):
    width: int

    @nn.compact
    def __call__(self, x, *, train):
        return nn.Dense(1)(nn.relu(nn.Dense(self.width)(x.reshape(len(x), -1)))).squeeze(-1)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(ImageRunConfig):
    """The documented run."""

    workdir: Path = Path("runs/toy")
    epochs: int | None = 25
    width: int = 16
    """Of the hidden layers."""

    seconds_per_step: ClassVar[float] = 0.001


def build(config: Config) -> GAN:
    tx = optimizers.adam(1e-3)
    prior = priors.uniform(8)
    return make_gan(
        Generator(config.width), Discriminator(config.width), losses.non_saturating, tx, tx, prior
    )


def main() -> None:
    with exit_on_error():
        train_on_images(parse_cli(Config), build)


if __name__ == "__main__":
    main()
