"""What a run measures of its samples while it trains."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxgan.gan import GAN
from jaxgan.states import GANState

SKETCH = 16


def make_sample_probe(
    gan: GAN,
    real: jax.typing.ArrayLike,
    num: int = 64,
    measure: Callable[[jax.Array], dict[str, jax.Array]] = lambda samples: {},
) -> Callable[[GANState, jax.Array], dict[str, jax.Array]]:
    """A `probe` for `training.train`, of samples from noise that is always the same.

    Args:
      gan: makes the samples.
      real: `[N, …]`, floating, what their diversity is compared with.
      num: how many samples.
      measure: of `samples [num, …]`, what else to record.

    Returns:
      `(state, key) -> {"diversity": scalar, "sketch": [16], …}`. The diversity is the total standard deviation of the
      samples over that of the real data: 0 if all are the same, about 1 if they differ as much as real ones do. The
      distance of two sketches estimates the root mean square change of the samples from one to the other (random
      projections, Johnson and Lindenstrauss 1984), to about ±18 %, without keeping the samples.
    """
    real_spread = total_std(jnp.asarray(real))

    def probe(state, key):
        z_key, sketch_key = jax.random.split(key)
        samples = gan.sample(state, z_key, num)
        signs = jax.random.rademacher(sketch_key, (SKETCH, samples.size), samples.dtype)
        sketch = signs @ samples.reshape(-1) / (SKETCH * samples.size) ** 0.5
        return {"diversity": total_std(samples) / real_spread, "sketch": sketch} | measure(samples)

    return probe


def total_std(samples: jax.Array) -> jax.Array:
    """The total standard deviation of `[N, …]`: the root of the summed variances of its entries."""
    return jnp.sqrt(jnp.sum(jnp.var(samples, axis=0)))
