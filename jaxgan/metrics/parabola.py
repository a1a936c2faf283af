"""How far painted parabolas are from the artist's, exactly.

The artist's paintings are the segment `a * v - 1`, a ~ U(1, 2), in R^15. What lies off its line costs any coupling the
same, and on a line the sorted coupling is the best, so the Wasserstein distance of the *empirical* samples from the
*continuous* law has a closed form, and no second sample is needed.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxgan._checks import check_floating
from jaxgan.data.parabola import BASIS, LOWER, UPPER
from jaxgan.errors import ShapeError

LENGTH_SQUARED = float(BASIS @ BASIS)  # 30.3236151604


class ParabolaDistance(NamedTuple):
    """Scalars.

    Attributes:
      w2_squared: the squared 2-Wasserstein distance to the artist's paintings; `floor(N)` for perfect samples on
        average, 2.527 for one painting of a = 1.5 over and over.
      off_curve: the part of it that lies off the line of the parabolas: the mean squared residual.
      a_min: the least recovered a.
      a_mean: the mean of the recovered a; 1.5 is right.
      a_max: the largest recovered a.
    """

    w2_squared: jax.Array
    off_curve: jax.Array
    a_min: jax.Array
    a_mean: jax.Array
    a_max: jax.Array


def project_samples(samples: jax.Array) -> tuple[jax.Array, jax.Array]:
    """The a `[N]` of the nearest parabola to each of `samples [N, 15]`, and what is left `[N, 15]`.

    Raises:
      ShapeError: where the samples are not `[N, 15]`.
      DtypeError: where they are not floating.
    """
    if samples.ndim != 2 or samples.shape[1] != len(BASIS) or not len(samples):
        raise ShapeError(
            f"samples have shape {list(samples.shape)}, expected [N, {len(BASIS)}], N at least 1"
        )
    check_floating(samples=samples)
    v = jnp.asarray(BASIS, samples.dtype)
    a = (samples + 1) @ v / LENGTH_SQUARED
    return a, samples + 1 - a[:, None] * v[None]


def parabola_distance(samples: jax.Array) -> ParabolaDistance:
    """How far `samples [N, 15]` are from the artist's paintings.

    W2² = mean |r|² + |v|² (mean (a_(i) - 1 - (i - 1/2)/N)² + 1/(12 N²)), with a and r as `recover` gives them and a
    sorted.

    Raises:
      ShapeError: where the samples are not `[N, 15]`.
      DtypeError: where they are not floating.
    """
    a, rest = project_samples(samples)
    a, num = jnp.sort(a), len(a)
    ideal = LOWER + (UPPER - LOWER) * (jnp.arange(num, dtype=a.dtype) + 0.5) / num
    off_curve = jnp.mean(jnp.sum(rest**2, axis=1))
    along = jnp.mean((a - ideal) ** 2) + (UPPER - LOWER) ** 2 / (12 * num**2)
    return ParabolaDistance(off_curve + LENGTH_SQUARED * along, off_curve, a[0], jnp.mean(a), a[-1])


def expected_w2_squared(num: int) -> float:
    """The mean of W2² over so many of the artist's own paintings: |v|² / (6 N)."""
    return LENGTH_SQUARED / (6 * num)
