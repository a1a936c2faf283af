"""Exact Wasserstein distance of samples from the distribution of the parabolas.

The parabolas are the segment `a * v - 1` in R^15, with a ~ U(1, 2) and v = `BASIS`. The component
of a sample orthogonal to the line through this segment costs the same under every coupling, and on
a line the sorted coupling is optimal. So the 2-Wasserstein distance of the *empirical* distribution
of the samples from the *continuous* distribution of the parabolas has a closed form, and no second
sample is needed.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxgan._checks import check_floating
from jaxgan.data.parabola import A_MAX, A_MIN, BASIS
from jaxgan.errors import ShapeError

LENGTH_SQUARED = float(BASIS @ BASIS)  # |v|² = 30.3236151604, the segment's squared length


class ParabolaDistance(NamedTuple):
    """Distance of samples from the parabolas; all are scalars.

    Attributes:
      w2_squared: Squared 2-Wasserstein distance W2², at least 0. Its mean over N real parabolas
        is `expected_w2_squared(N)`; it is 2.527 if all samples are the parabola of a = 1.5.
      off_curve: Part of `w2_squared` orthogonal to the line of the parabolas: the mean squared norm
        of the residuals.
      a_min: Minimum of the estimated a; at least 1 for real parabolas.
      a_mean: Mean of the estimated a; 1.5 on average for real parabolas.
      a_max: Maximum of the estimated a; at most 2 for real parabolas.
    """

    w2_squared: jax.Array
    off_curve: jax.Array
    a_min: jax.Array
    a_mean: jax.Array
    a_max: jax.Array


def project_samples(samples: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Projects samples onto the line of the parabolas.

    Args:
      samples: `[N, 15]`, floating.

    Returns:
      a: `[N]`, the coefficient of the nearest parabola to each sample; it may lie outside [1, 2].
      residuals: `[N, 15]`, the samples minus their nearest parabolas.

    Raises:
      ShapeError: If `samples` is not `[N, 15]` with N at least 1.
      DtypeError: If `samples` is not floating.
    """
    if samples.ndim != 2 or samples.shape[1] != len(BASIS) or not len(samples):
        raise ShapeError(
            f"samples have shape {list(samples.shape)}, expected [N, {len(BASIS)}] with N at least "
            "1; pass one curve per row"
        )
    check_floating(samples=samples)
    v = jnp.asarray(BASIS, samples.dtype)
    a = (samples + 1) @ v / LENGTH_SQUARED
    return a, samples + 1 - a[:, None] * v[None]


def parabola_distance(samples: jax.Array) -> ParabolaDistance:
    """Squared 2-Wasserstein distance of samples from the distribution of the parabolas.

    W2² = mean |r|² + |v|² (mean (a_(i) - 1 - (i - 1/2)/N)² + 1/(12 N²)), with the coefficients a
    and residuals r of `project_samples`; a_(i) is the i-th smallest coefficient, i from 1 to N.

    Args:
      samples: `[N, 15]`, floating.

    Returns:
      The distance, its part off the line, and the range of the coefficients.

    Raises:
      ShapeError: If `samples` is not `[N, 15]` with N at least 1.
      DtypeError: If `samples` is not floating.
    """
    a, residuals = project_samples(samples)
    a, num = jnp.sort(a), len(a)
    # The i-th smallest coefficient is matched with the i-th of N equal parts of [1, 2]. The cost is
    # its squared distance to the part's midpoint plus the part's variance, 1/(12 N²).
    midpoints = A_MIN + (A_MAX - A_MIN) * (jnp.arange(num, dtype=a.dtype) + 0.5) / num
    off_curve = jnp.mean(jnp.sum(residuals**2, axis=1))
    along = jnp.mean((a - midpoints) ** 2) + (A_MAX - A_MIN) ** 2 / (12 * num**2)
    return ParabolaDistance(off_curve + LENGTH_SQUARED * along, off_curve, a[0], jnp.mean(a), a[-1])


def expected_w2_squared(num_samples: int) -> float:
    """Mean of W2² over N real parabolas: |v|² / (6 N).

    Args:
      num_samples: N.

    Returns:
      The mean, in the units of `ParabolaDistance.w2_squared`.
    """
    return LENGTH_SQUARED / (6 * num_samples)
