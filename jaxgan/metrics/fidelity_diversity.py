"""Improved precision and recall, density and coverage.

The support of a set of features is estimated by a union of balls: one around each sample, whose
radius is the distance to the k-th nearest other sample. The balls are closed, so a copy of the real
set has precision, recall and coverage 1, even if all samples are equal and all radii are 0. (Naeem
et al. use open balls for density and coverage.)
"""

import math
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxgan.metrics.neighbors import count_balls, knn_radii, nearest_neighbors


class PrecisionRecall(NamedTuple):
    """Improved precision and recall; both are scalars from 0 to 1.

    Attributes:
      precision: Fraction of generated samples inside the ball of a real sample; low if samples are
        of low quality.
      recall: Fraction of real samples inside the ball of a generated sample; low if parts of the
        real distribution are missing.
    """

    precision: jax.Array
    recall: jax.Array


class DensityCoverage(NamedTuple):
    """Density and coverage; both are scalars.

    Attributes:
      density: Mean number of real balls that contain a generated sample, divided by k; at least 0,
        without an upper bound, and 1 on average if both distributions are equal.
      coverage: Fraction of real samples whose ball contains a generated sample, from 0 to 1; its
        mean is `expected_coverage` if both distributions are equal.
    """

    density: jax.Array
    coverage: jax.Array


@partial(jax.jit, static_argnames=("k", "batch_size"))
def precision_recall(
    real: jax.Array,
    fake: jax.Array,
    k: int = 3,
    *,
    real_radii: jax.Array | None = None,
    batch_size: int = 128,
) -> PrecisionRecall:
    """Improved precision and recall of generated samples.

    Args:
      real: `[N, F]`, floating features of real samples.
      fake: `[M, F]`, floating features of generated samples. Recall depends on M; use M = N if
        values are to be compared.
      k: The neighbor that defines the radius of a ball, at least 1, below N and below M.
      real_radii: `[N]`, `knn_radii(real, k)` if already computed; these take most of the time if
        N is larger than M.
      batch_size: Samples per batch of the search.

    Returns:
      Precision and recall, at least float32.

    Raises:
      ShapeError: If the features are not `[N, F]` and `[M, F]`.
      DtypeError: If the features are not floating.
      ConfigError: If `k` is not below N and M.

    References:
      Kynkäänniemi et al. 2019, eq. 1 and 2.
    """
    real_radii = knn_radii(real, k, batch_size=batch_size) if real_radii is None else real_radii
    precise = count_balls(fake, real, real_radii, batch_size=batch_size) > 0
    fake_radii = knn_radii(fake, k, batch_size=batch_size)
    recalled = count_balls(real, fake, fake_radii, batch_size=batch_size) > 0
    return PrecisionRecall(
        *(jnp.mean(inside, dtype=real_radii.dtype) for inside in (precise, recalled))
    )


@partial(jax.jit, static_argnames=("k", "batch_size"))
def density_coverage(
    real: jax.Array,
    fake: jax.Array,
    k: int = 5,
    *,
    real_radii: jax.Array | None = None,
    batch_size: int = 128,
) -> DensityCoverage:
    """Density and coverage of generated samples. Only real samples have balls.

    Args:
      real: `[N, F]`, floating features of real samples.
      fake: `[M, F]`, floating features of generated samples. Coverage depends on M; use M = N if
        values are to be compared.
      k: The neighbor that defines the radius of a ball, at least 1 and below N.
      real_radii: `[N]`, `knn_radii(real, k)` if already computed.
      batch_size: Samples per batch of the search.

    Returns:
      Density and coverage, at least float32.

    Raises:
      ShapeError: If the features are not `[N, F]` and `[M, F]`.
      DtypeError: If the features are not floating.
      ConfigError: If `k` is not below N.

    References:
      Naeem et al. 2020, eq. 3 and 4.
    """
    real_radii = knn_radii(real, k, batch_size=batch_size) if real_radii is None else real_radii
    num_balls = count_balls(fake, real, real_radii, batch_size=batch_size)
    nearest, _ = nearest_neighbors(real, fake, 1, batch_size=batch_size)
    covered = nearest[:, 0] <= real_radii
    return DensityCoverage(*(jnp.mean(x, dtype=real_radii.dtype) for x in (num_balls / k, covered)))


def expected_coverage(num_real: int, num_fake: int, k: int) -> float:
    """Mean coverage if both distributions are equal: 1 - ∏ (N - i) / (N + M - i), i from 1 to k.

    A real sample is not covered if its k nearest among the other N + M - 1 samples are all real,
    and all orders of these samples are equally likely.

    Args:
      num_real: N, the number of real samples.
      num_fake: M, the number of generated samples.
      k: The neighbor that defines the radius of a ball.

    Returns:
      A number from 0 to 1.
    """
    return 1 - math.prod((num_real - i) / (num_real + num_fake - i) for i in range(1, k + 1))
