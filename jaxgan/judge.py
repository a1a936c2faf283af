"""What a trained GAN comes to, and how much of that is luck."""

from collections.abc import Callable, Iterable, Sequence

import jax
import numpy as np

from jaxgan.gan import GAN
from jaxgan.keys import run_keys
from jaxgan.states import GANState


def judge(
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
    key = run_keys(seed, seeds).score
    if seeds is None:
        state, key = jax.tree.map(lambda x: x[None], (state, key))
    return jax.device_get(jax.jit(jax.vmap(lambda s, k: measure(gan.sample(s, k, num))))(state, key))


def markdown(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows))


def with_error(values: np.ndarray, digits: int) -> str:
    """The mean of `[n]` values with so many decimal digits, and ± its standard error where there are several."""
    values = np.asarray(values, np.float64)
    mean = f"{values.mean():.{digits}f}"
    if len(values) == 1:
        return mean
    return f"{mean} ± {values.std(ddof=1) / len(values) ** 0.5:.{digits}f}"
