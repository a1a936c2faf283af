"""What a trained GAN comes to, and how much of that is luck."""

from collections.abc import Callable

import jax
import numpy as np

from jaxgan.gan import GAN
from jaxgan.states import GANState
from jaxgan.training.rng import make_rng_streams


def measure_samples(
    gan: GAN,
    state: GANState,
    num: int,
    measure: Callable[[jax.Array], dict[str, jax.Array]],
    *,
    seed: int,
    seeds: int | None = None,
) -> dict[str, np.ndarray]:
    """Measures samples of a trained GAN, or of each of a population, from noise kept for that.

    Args:
      gan: makes the samples.
      state: as `train` returns it.
      num: how many samples of each GAN.
      measure: of `samples [num, …]`, scalars by name.
      seed: of the run.
      seeds: of the run, see `train`.

    Returns:
      What was measured, `[seeds]` each; `[1]` where there is one GAN.
    """
    key = make_rng_streams(seed, seeds).score
    if seeds is None:
        state, key = jax.tree.map(lambda x: x[None], (state, key))
    return jax.device_get(
        jax.jit(jax.vmap(lambda s, k: measure(gan.sample(s, k, num))))(state, key)
    )
