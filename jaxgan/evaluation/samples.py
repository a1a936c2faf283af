"""Measurements of the samples of a trained GAN, or of every member of a population."""

from collections.abc import Callable

import jax
import numpy as np

from jaxgan.distributed.sharding import select_member
from jaxgan.gan import GAN
from jaxgan.states import GANState
from jaxgan.training.rng import make_rng_streams


def measure_samples(
    gan: GAN,
    state: GANState,
    num: int,
    measure_fn: Callable[[jax.Array], dict[str, jax.Array]],
    *,
    seed: int,
    num_seeds: int | None = None,
) -> dict[str, np.ndarray]:
    """Applies `measure_fn` to samples of a trained GAN, or of each member of a population.

    The latent noise comes from the run's `eval` stream, which training does not use.

    Args:
      gan: The GAN that generates the samples.
      state: Its state, as returned by `train`; with `num_seeds`, the state of a population.
      num: Number of samples of each GAN.
      measure_fn: `(samples [num, …]) -> {name: scalar}`; it is jit-compiled.
      seed: Seed of the run.
      num_seeds: Size of the population, as in `TrainOptions`; None for a single GAN.

    Returns:
      `{name: values}` with values `[num_seeds]`; `[1]` for a single GAN.
    """
    key = make_rng_streams(seed, num_seeds).eval
    if num_seeds is None:
        state, key = jax.tree.map(lambda x: x[None], (state, key))

    def measure_member(state, key):
        return measure_fn(gan.sample(state, key, num))

    return jax.device_get(jax.jit(jax.vmap(measure_member))(state, key))


def score_members(
    score_fn: Callable[[GANState, jax.Array], dict[str, float]],
    state: GANState,
    key: jax.Array,
    num_seeds: int | None,
) -> dict[str, np.ndarray]:
    """Applies a function that cannot be compiled to a GAN, or to each member of a population.

    Args:
      score_fn: `(state, key) -> {name: number}`, for a single GAN.
      state: The state; with `num_seeds`, that of a population.
      key: The key; with `num_seeds`, one key per member.
      num_seeds: Size of the population, as in `TrainOptions`; None for a single GAN.

    Returns:
      `{name: values}` with values `[num_seeds]`; `[1]` for a single GAN.
    """
    if num_seeds is None:
        rows = [score_fn(state, key)]
    else:
        rows = [score_fn(*select_member((state, key), i)) for i in range(num_seeds)]
    return {name: np.array([row[name] for row in rows]) for name in rows[0]}


def make_evaluate_fn(
    gan: GAN,
    num: int,
    measure_fn: Callable[[jax.Array], dict[str, jax.Array]],
    num_seeds: int | None = None,
    *,
    select_by: str | None = None,
) -> Callable[[GANState, jax.Array], dict[str, float]]:
    """Returns a function for `Callbacks.evaluate`, of scores that need no real samples.

    Args:
      gan: The GAN that generates the samples.
      num: Number of samples of each GAN.
      measure_fn: `(samples [num, …]) -> {name: scalar}`; it is jit-compiled.
      num_seeds: Size of the population, as in `TrainOptions`; None for a single GAN.
      select_by: Name of the score that selects the best checkpoint, the lower the better. None
        selects the first in alphabetical order.

    Returns:
      `(state, key) -> {name: float}`; for a population, means over the members.
    """

    def measure_member(state, key):
        return measure_fn(gan.sample(state, key, num))

    measure = jax.jit(measure_member if num_seeds is None else jax.vmap(measure_member))

    def evaluate(state, key):
        values = jax.device_get(measure(state, key))
        scores = {name: float(np.mean(x)) for name, x in values.items()}
        # jit returns the names in alphabetical order.
        order = [select_by or next(iter(scores))]
        return {name: scores[name] for name in dict.fromkeys([*order, *scores])}

    return evaluate
