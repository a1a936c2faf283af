"""Mixtures of equal Gaussians in the plane, on a ring or on a grid.

These are the two synthetic data sets of Srivastava et al. 2017 (VEEGAN), with the parameters of Lin
et al. 2018 (PacGAN). They make mode collapse measurable: `jaxgan.metrics.mixture` counts the modes
that a generator covers and the samples that lie near a mode.
"""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.data.sources import Source, synthetic_source

RING_ANGLES = np.arange(8) * np.pi / 4
GRID_COORDINATES = np.arange(-4.0, 5.0, 2.0)


class Mixture(NamedTuple):
    """Mixture of equally likely isotropic Gaussians.

    Attributes:
      means: `[K, 2]`, the means of the modes.
      sigma: Standard deviation of each mode, along every direction.
    """

    means: np.ndarray
    sigma: float


RING = Mixture(np.stack([np.cos(RING_ANGLES), np.sin(RING_ANGLES)], axis=1), 0.01)
GRID = Mixture(
    np.stack(np.meshgrid(GRID_COORDINATES, GRID_COORDINATES, indexing="ij"), -1).reshape(-1, 2),
    0.05,
)
MIXTURES = {"ring": RING, "grid": GRID}


def sample_mixture(mixture: Mixture, key: jax.Array, num: int) -> jax.Array:
    """Draws independent samples of a mixture.

    Args:
      mixture: The distribution.
      key: A typed PRNG key, which is consumed.
      num: Number of samples.

    Returns:
      float32 `[num, 2]`.
    """
    mode_key, noise_key = jax.random.split(key)
    modes = jax.random.randint(mode_key, (num,), 0, len(mixture.means))
    noise = jax.random.normal(noise_key, (num, 2), jnp.float32)
    return jnp.asarray(mixture.means, jnp.float32)[modes] + mixture.sigma * noise


def mixture_source(mixture: Mixture, batch_size: int, batches_per_epoch: int = 1_000) -> Source:
    """Returns a source that draws new samples of a mixture for every batch.

    PacGAN instead repeats one data set of 100,000 samples 400 times.

    Args:
      mixture: The distribution.
      batch_size: B.
      batches_per_epoch: Number of batches that count as one epoch. Runs draw figures and save
        checkpoints after every epoch.

    Raises:
      ConfigError: If `batch_size` or `batches_per_epoch` is not an integer of at least 1.
    """
    return synthetic_source(partial(sample_mixture, mixture), batch_size, batches_per_epoch)
