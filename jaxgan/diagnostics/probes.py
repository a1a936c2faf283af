"""Measures the generator's samples during training."""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxgan.errors import DataError, DtypeError
from jaxgan.gan import GAN
from jaxgan.states import GANState

SKETCH_DIM = 16


def make_sample_probe(
    gan: GAN,
    real: jax.typing.ArrayLike,
    num: int = 64,
    measure_fn: Callable[[jax.Array], dict[str, jax.Array]] = lambda samples: {},
    *,
    condition: jax.typing.ArrayLike | None = None,
) -> Callable[[GANState, jax.Array], dict[str, jax.Array]]:
    """Returns a `probe` for `train` that measures the diversity and the change of samples.

    `train` calls a probe with the same key each time, so the latent vectors never change.

    Args:
      gan: Generates the samples.
      real: Real samples `[N, …]`, floating, the reference of the diversity.
      num: Number of generated samples.
      measure_fn: Maps samples `[num, …]` to additional values to record.
      condition: `[num, …]`, the conditions of the samples; None for an unconditional GAN.

    Returns:
      `(state, key) -> {"diversity": scalar, "sketch": [16], …}`. The diversity is the total
      standard deviation of the samples relative to that of the real data: 0 if all samples are
      identical, about 1 if they differ as much as real ones. The sketch is a random projection of
      the samples. The distance between the sketches of two steps estimates the root mean square
      change of the samples between these steps to about ±18 %, without storing the samples.

    Raises:
      DtypeError: If the real samples are not floating.
      DataError: If all real samples are identical.

    References:
      Johnson and Lindenstrauss 1984 (random projections).
    """
    real = jnp.asarray(real)
    if not jnp.issubdtype(real.dtype, jnp.floating):
        raise DtypeError(
            f"real is {real.dtype}, expected floating point in the range of the generator's "
            "output; map pixels to [-1, 1] with jaxgan.data.from_pixels"
        )
    # One program compiles sooner than one per operation.
    real_std, identical = jax.jit(lambda x: (total_std(x), jnp.all(x == x[:1])))(real)
    if bool(identical):
        raise DataError(
            f"all {len(real)} real samples are identical, expected samples that differ: the "
            "diversity of generated samples is relative to theirs; check how the data is read"
        )

    def probe(state, key):
        z_key, sketch_key = jax.random.split(key)
        samples = gan.sample(state, z_key, num, condition)
        signs = jax.random.rademacher(sketch_key, (SKETCH_DIM, samples.size), samples.dtype)
        sketch = signs @ samples.reshape(-1) / (SKETCH_DIM * samples.size) ** 0.5
        return {"diversity": total_std(samples) / real_std, "sketch": sketch} | measure_fn(samples)

    return probe


def total_std(samples: jax.Array) -> jax.Array:
    """Returns the total standard deviation of `[N, …]`: the root of the summed variances."""
    return jnp.sqrt(jnp.sum(jnp.var(samples, axis=0)))
