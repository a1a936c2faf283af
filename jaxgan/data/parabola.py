"""The paintings of a famous artist: parabolas, drawn from a key.

A painting is `a * BASIS - 1` = a x² + (a - 1), with a ~ U(1, 2), at the 15 points x of `POINTS`: the paintings are a
segment in R^15, so how far a generator is from them can be computed exactly (`jaxgan.metrics.parabola`).
"""

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.data.sources import Source, synthetic_source

POINTS = np.linspace(-1, 1, 15)
BASIS = POINTS**2 + 1
LOWER, UPPER = 1.0, 2.0


def parabolas(a: jax.typing.ArrayLike) -> jax.Array:
    """float32 `[N, 15]`, the painting of every a in `[N]`."""
    return jnp.asarray(a, jnp.float32)[:, None] * jnp.asarray(BASIS, jnp.float32)[None] - 1


def parabola_source(batch_size: int, batches: int = 500) -> Source:
    """Paintings without end, new ones in every batch.

    Args:
      batch_size: B.
      batches: how many count as an epoch, after which a run draws and saves.

    Raises:
      ConfigError: where a number is below 1.
    """

    def draw(key, num):
        return parabolas(jax.random.uniform(key, (num,), jnp.float32, LOWER, UPPER))

    return synthetic_source(draw, batch_size, batches)
