"""Parabolas with a random coefficient, sampled at 15 points.

A curve is `a * BASIS - 1` = a x² + (a - 1) with a ~ U(1, 2), at the 15 points x of `POINTS`. All
curves lie on a line segment in R^15, so the distance of generated samples from the data
distribution can be computed exactly (`jaxgan.metrics.parabola`).
"""

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.data.sources import Source, synthetic_source

POINTS = np.linspace(-1, 1, 15)
BASIS = POINTS**2 + 1
A_MIN, A_MAX = 1.0, 2.0


def parabolas(a: jax.typing.ArrayLike) -> jax.Array:
    """Returns the curves with the given coefficients.

    Args:
      a: `[N]`, the coefficients.

    Returns:
      float32 `[N, 15]`, the values at `POINTS`.
    """
    return jnp.asarray(a, jnp.float32)[:, None] * jnp.asarray(BASIS, jnp.float32)[None] - 1


def parabola_source(batch_size: int, batches_per_epoch: int = 500) -> Source:
    """Returns a source that draws new parabolas for every batch.

    Args:
      batch_size: B.
      batches_per_epoch: Number of batches that count as one epoch. Runs draw figures and save
        checkpoints after every epoch.

    Raises:
      ConfigError: If `batch_size` or `batches_per_epoch` is not an integer of at least 1.
    """

    def sample(key, num):
        return parabolas(jax.random.uniform(key, (num,), jnp.float32, A_MIN, A_MAX))

    return synthetic_source(sample, batch_size, batches_per_epoch)
