"""Gaussians of one size in the plane, in a ring or on a grid, drawn from a key.

The two toys of Srivastava et al. 2017 (VEEGAN), as Lin et al. 2018 (PacGAN) have them: which modes a generator has
found, and how many of its samples lie where samples should, can be counted (`jaxgan.metrics.mixture`).
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.data.sources import Source, synthetic_source

ANGLES = np.arange(8) * np.pi / 4
SIDE = np.arange(-4.0, 5.0, 2.0)


class Mixture(NamedTuple):
    """Equally likely round Gaussians.

    Attributes:
      means: `[K, 2]`, the modes.
      sigma: the standard deviation of each, along every direction.
    """

    means: np.ndarray
    sigma: float


RING = Mixture(np.stack([np.cos(ANGLES), np.sin(ANGLES)], axis=1), 0.01)
GRID = Mixture(np.stack(np.meshgrid(SIDE, SIDE, indexing="ij"), axis=-1).reshape(-1, 2), 0.05)
MIXTURES = {"ring": RING, "grid": GRID}


def sample_mixture(mixture: Mixture, key: jax.Array, num: int) -> jax.Array:
    """float32 `[num, 2]`, independent samples of a mixture; the key is consumed."""
    mode_key, noise_key = jax.random.split(key)
    modes = jax.random.randint(mode_key, (num,), 0, len(mixture.means))
    noise = jax.random.normal(noise_key, (num, 2), jnp.float32)
    return jnp.asarray(mixture.means, jnp.float32)[modes] + mixture.sigma * noise


def mixture_source(mixture: Mixture, batch_size: int, batches: int = 1_000) -> Source:
    """Samples without end, new ones in every batch; PacGAN goes 400 times through one set of 100,000.

    Args:
      mixture: where they come from.
      batch_size: B.
      batches: how many count as an epoch, after which a run draws and saves.

    Raises:
      ConfigError: where a number is below 1.
    """
    return synthetic_source(partial(sample_mixture, mixture), batch_size, batches)
