"""Nearest neighbors, improved precision and recall, density and coverage.

The support of a set of features is estimated by a union of closed balls: one around each sample,
whose radius is the distance to the k-th nearest other sample. Distances are Euclidean. A sample at
a distance equal to the radius is inside, so that a copy of the real set has precision, recall and
coverage 1, even if all samples are equal and all radii are 0. (Naeem et al. use open balls for
density and coverage.)

Above 8 features, squared distances of all pairs are computed as |x|² + |y|² - 2 x·y after both sets
are centered. The rounding error is a few ulps of |x|² + |y|²: in float32, samples whose distance
from each other is below about 1/500 of their distance from the center may be treated as equal.
Returned distances and radii do not have this error: they are recomputed from the differences.
"""

import math
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxgan._checks import check_floating, check_integers
from jaxgan.errors import ConfigError, ShapeError

GROUP_SIZE = 128  # `smallest_k` first compares only the minimum of each group of this many values
MAX_DIRECT_FEATURES = 8  # up to here, differences are cheaper than the matrix product
ROUNDING_ULPS = 16  # tolerance for squared distances; at most 5 were observed, with 2048 features


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


# Without jit, every eager call would compile the loop of `lax.map` again.
@partial(jax.jit, static_argnames=("k", "batch_size"))
def nearest_neighbors(
    queries: jax.Array, references: jax.Array, k: int, *, batch_size: int = 128
) -> tuple[jax.Array, jax.Array]:
    """Finds the k nearest references of every query by exact search.

    Args:
      queries: `[N, F]`, floating.
      references: `[M, F]`, floating.
      k: Number of neighbors, from 1 to M.
      batch_size: Queries per batch; memory grows with `batch_size` times M.

    Returns:
      distances: `[N, k]`, Euclidean, ascending, at least float32.
      indices: int32 `[N, k]`, into `references`.

    Raises:
      ShapeError: If the features are not `[N, F]` and `[M, F]`.
      DtypeError: If the features are not floating.
      ConfigError: If `k` is not an integer from 1 to M.
    """
    check_integers(k=k)
    queries, references = center_features(queries, references)
    if not 1 <= k <= len(references):
        raise ConfigError(
            f"k is {k}, expected 1 to {len(references)}, the number of references; lower k or pass "
            "more references"
        )
    norms = jnp.sum(references**2, axis=1)

    def search(query):
        nearest = smallest_k(squared_distances(query, references, norms), k)
        # Exact distances of the k candidates, since squared_distances may round.
        distances = jnp.sqrt(jnp.sum((references[nearest] - query[None]) ** 2, axis=1))
        order = jnp.argsort(distances)
        return distances[order], nearest[order]

    return jax.lax.map(search, queries, batch_size=batch_size)


@partial(jax.jit, static_argnames=("k", "batch_size"))
def knn_radii(features: jax.Array, k: int, *, batch_size: int = 128) -> jax.Array:
    """Distance of each sample to its k-th nearest other sample.

    Args:
      features: `[N, F]`, floating.
      k: From 1 to N - 1.
      batch_size: Samples per batch of the search.

    Returns:
      `[N]`, at least float32.

    Raises:
      ShapeError: If `features` is not `[N, F]`.
      DtypeError: If `features` is not floating.
      ConfigError: If `k` is not an integer from 1 to N - 1.
    """
    check_integers(k=k)
    if features.ndim == 2 and not 1 <= k < len(features):
        raise ConfigError(
            f"k is {k}, expected 1 to {len(features) - 1}, the number of other samples; change k "
            "or pass more samples"
        )
    # The nearest neighbor of a sample is the sample itself, so column k is its k-th nearest other.
    distances, _ = nearest_neighbors(features, features, k + 1, batch_size=batch_size)
    return distances[:, k]


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


def count_balls(
    queries: jax.Array, centers: jax.Array, radii: jax.Array, *, batch_size: int = 128
) -> jax.Array:
    """Counts the balls that contain each query.

    Args:
      queries: `[N, F]`, floating.
      centers: `[M, F]`, floating, the centers of the balls.
      radii: `[M]`, their radii.
      batch_size: Queries per batch.

    Returns:
      int32 `[N]`, from 0 to M.
    """
    queries, centers = center_features(queries, centers)
    norms = jnp.sum(centers**2, axis=1)
    relative = ROUNDING_ULPS * jnp.finfo(queries.dtype).eps

    def count(query):
        squares = squared_distances(query, centers, norms)
        # Samples on the surface of a ball are inside, so rounding errors must be tolerated. They
        # are relative to the squared distance if it is computed from differences, otherwise to the
        # squared norms.
        direct = centers.shape[1] <= MAX_DIRECT_FEATURES
        tolerance = relative * (squares if direct else norms + jnp.sum(query**2))
        return jnp.sum(squares <= radii**2 + tolerance, dtype=jnp.int32)

    return jax.lax.map(count, queries, batch_size=batch_size)


def squared_distances(query: jax.Array, references: jax.Array, norms: jax.Array) -> jax.Array:
    """Squared Euclidean distances of one query to all references; may be slightly below 0.

    Args:
      query: `[F]`.
      references: `[M, F]`.
      norms: `[M]`, the squared norms of the references.

    Returns:
      `[M]`.
    """
    dim = references.shape[1]
    if dim <= MAX_DIRECT_FEATURES:
        return sum(((query[i] - references[:, i]) ** 2 for i in range(dim)), jnp.zeros_like(norms))
    # Values below 0, from rounding, are not clipped: clipping would change neither the order of the
    # positive values nor which samples are inside a ball.
    return jnp.sum(query**2) + norms - 2 * jnp.matmul(query, references.T, precision="highest")


def smallest_k(values: jax.Array, k: int) -> jax.Array:
    """Indices of the k smallest values, in no particular order.

    The k smallest values lie in the k groups with the smallest minima. So `top_k`, which is slow on
    CPUs, runs on the minima and on k groups only.

    Args:
      values: `[M]`.
      k: From 1 to M.

    Returns:
      int32 `[k]`.
    """
    padded = jnp.pad(values, (0, -len(values) % GROUP_SIZE), constant_values=jnp.inf)
    groups = padded.reshape(GROUP_SIZE, -1)  # each column is a group
    num_groups = groups.shape[1]
    _, chosen = jax.lax.top_k(-jnp.min(groups, axis=0), min(k, num_groups))
    # Positions in the flattened [GROUP_SIZE, len(chosen)] array, mapped back to indices of values.
    _, position = jax.lax.top_k(-groups[:, chosen].reshape(-1), k)
    row, column = position // len(chosen), position % len(chosen)
    return row * num_groups + chosen[column]


def center_features(queries: jax.Array, references: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Subtracts the mean of the references from both sets, in at least float32.

    Args:
      queries: `[N, F]`, floating.
      references: `[M, F]`, floating.

    Returns:
      The centered queries `[N, F]` and references `[M, F]`, of one dtype.

    Raises:
      ShapeError: If the arguments are not `[N, F]` and `[M, F]` with N, M and F at least 1.
      DtypeError: If an argument is not floating.
    """
    same_features = queries.ndim == references.ndim == 2 and queries.shape[1] == references.shape[1]
    if not same_features or not queries.size or not references.size:
        raise ShapeError(
            f"features have shapes {list(queries.shape)} and {list(references.shape)}, expected "
            "[N, F] and [M, F] with N, M and F at least 1; pass features from the same network"
        )
    check_floating(queries=queries, references=references)
    dtype = jnp.promote_types(jnp.promote_types(queries.dtype, references.dtype), jnp.float32)
    center = jnp.mean(references.astype(dtype), axis=0)
    return queries.astype(dtype) - center[None], references.astype(dtype) - center[None]
