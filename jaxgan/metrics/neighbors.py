"""Nearest neighbors by exact search, and which balls contain a sample.

Distances are Euclidean. Balls are closed: a sample at a distance equal to the radius is inside, so
that a sample is inside a ball of radius 0 around a copy of it.

Above 8 features, squared distances of all pairs are computed as |x|² + |y|² - 2 x·y after both sets
are centered. The rounding error is a few ulps of |x|² + |y|²: in float32, samples whose distance
from each other is below about 1/500 of their distance from the center may be treated as equal.
Returned distances and radii do not have this error: they are recomputed from the differences.
"""

from functools import partial

import jax
import jax.numpy as jnp

from jaxgan._checks import check_floating, check_integers
from jaxgan.errors import ConfigError, ShapeError

GROUP_SIZE = 128  # `smallest_k` first compares only the minimum of each group of this many values
MAX_DIRECT_FEATURES = 8  # up to here, differences are cheaper than the matrix product
ROUNDING_ULPS = 16  # tolerance for squared distances; at most 5 were observed, with 2048 features


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
