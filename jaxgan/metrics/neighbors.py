"""Which samples lie near which: precision and recall, density and coverage, and the nearest real ones.

Sets of features are taken as unions of closed balls: around each sample, up to its k-th nearest other sample. Distances
are Euclidean, and a distance equal to a radius is within, so that a copy of the real set has precision, recall and
coverage 1, even where all samples are the same and all radii 0. (The authors of density and coverage take open balls.)

Above 8 features, squared distances of all pairs are |x|² + |y|² - 2 x·y, about a common centre. That rounds by a few
ulps of |x|² + |y|²: samples nearer to each other than about 1/500 of their distance from the centre may pass for the
same in float32. The distances and radii that are returned are computed anew from the differences.
"""

import math
from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxgan._checks import check_floating
from jaxgan.errors import ConfigError, ShapeError

GROUPED = 128  # references of which only the nearest is looked at, at first
FEW = 8  # features, of which differences are cheap
ROUNDING = 16  # ulps: at most 5 were seen, at 2048 features


class PrecisionRecall(NamedTuple):
    """Scalars, 0 to 1.

    Attributes:
      precision: the share of fakes within some real sample's ball; low where samples are bad.
      recall: the share of real samples within some fake's ball; low where kinds of samples are missing.
    """

    precision: jax.Array
    recall: jax.Array


class DensityCoverage(NamedTuple):
    """Scalars.

    Attributes:
      density: in how many real balls a fake is on average, over k; 1 on average for equal laws, at least 0, unbounded.
      coverage: the share of real samples with a fake in their ball, 0 to 1; `expected_coverage` for equal laws.
    """

    density: jax.Array
    coverage: jax.Array


@partial(jax.jit, static_argnames=("k", "block"))  # else each call would compile its loop anew
def nearest_neighbors(
    queries: jax.Array, references: jax.Array, k: int, *, block: int = 128
) -> tuple[jax.Array, jax.Array]:
    """The k nearest of `references [M, F]` to each of `queries [N, F]`, by blocks of queries.

    Returns:
      The distances `[N, k]`, ascending, at least float32, and int32 indices `[N, k]`.

    Raises:
      ShapeError: where the features are not `[N, F]` and `[M, F]`.
      DtypeError: where they are not floating.
      ConfigError: where k is not 1 to M.
    """
    queries, references = center_features(queries, references)
    if not 1 <= k <= len(references):
        raise ConfigError(f"k is {k}, expected 1 to {len(references)}, the number of references")
    norms = jnp.sum(references**2, axis=1)

    def search(query):
        chosen = smallest_k(squared_distances(query, references, norms), k)
        exact = jnp.sqrt(jnp.sum((references[chosen] - query[None]) ** 2, axis=1))
        order = jnp.argsort(exact)
        return exact[order], chosen[order]

    return jax.lax.map(search, queries, batch_size=block)


@partial(jax.jit, static_argnames=("k", "block"))
def knn_radii(features: jax.Array, k: int, *, block: int = 128) -> jax.Array:
    """The distance `[N]` from each of `features [N, F]` to its k-th nearest other sample.

    Raises:
      ShapeError: where the features are not `[N, F]`.
      DtypeError: where they are not floating.
      ConfigError: where k is not 1 to N - 1.
    """
    if features.ndim == 2 and not 1 <= k < len(features):
        raise ConfigError(
            f"k is {k}, expected 1 to {len(features) - 1}, the number of other samples"
        )
    return nearest_neighbors(features, features, k + 1, block=block)[0][
        :, k
    ]  # the nearest of all is the sample itself


@partial(jax.jit, static_argnames=("k", "block"))
def precision_recall(
    real: jax.Array,
    fake: jax.Array,
    k: int = 3,
    *,
    real_radii: jax.Array | None = None,
    block: int = 128,
) -> PrecisionRecall:
    """Improved precision and recall of `fake [M, F]` as samples of the law of `real [N, F]`.

    Args:
      real: features of real samples.
      fake: features of generated samples, as many as the real ones if recalls are to be compared.
      k: the neighbour that a ball reaches to.
      real_radii: `[N]`, `radii(real, k)` where it is known already; it is most of the work if N is above M.
      block: how many samples at a time.

    Raises:
      ShapeError: where the features are not `[N, F]` and `[M, F]`.
      DtypeError: where they are not floating.
      ConfigError: where k is not below N and M.

    References:
      Kynkäänniemi et al. 2019, eq. 1 and 2.
    """
    real_radii = knn_radii(real, k, block=block) if real_radii is None else real_radii
    precise = count_balls(fake, real, real_radii, block=block) > 0
    recalled = count_balls(real, fake, knn_radii(fake, k, block=block), block=block) > 0
    return PrecisionRecall(
        *(jnp.mean(found, dtype=real_radii.dtype) for found in (precise, recalled))
    )


@partial(jax.jit, static_argnames=("k", "block"))
def density_coverage(
    real: jax.Array,
    fake: jax.Array,
    k: int = 5,
    *,
    real_radii: jax.Array | None = None,
    block: int = 128,
) -> DensityCoverage:
    """Density and coverage of `fake [M, F]` as samples of the law of `real [N, F]`; only the real samples have balls.

    Args, Raises: as of `precision_recall`; k need not be below M.

    References:
      Naeem et al. 2020, eq. 3 and 4.
    """
    real_radii = knn_radii(real, k, block=block) if real_radii is None else real_radii
    inside = count_balls(fake, real, real_radii, block=block)
    covered = nearest_neighbors(real, fake, 1, block=block)[0][:, 0] <= real_radii
    return DensityCoverage(*(jnp.mean(x, dtype=real_radii.dtype) for x in (inside / k, covered)))


def expected_coverage(num_real: int, num_fake: int, k: int) -> float:
    """The mean coverage of perfect samples: 1 - ∏ (N - i) / (N + M - i), i from 1 to k.

    A real sample is not covered if the k nearest of the other N + M - 1 samples are all real; all orders are equally
    likely.
    """
    return 1 - math.prod((num_real - i) / (num_real + num_fake - i) for i in range(1, k + 1))


def count_balls(
    queries: jax.Array, centres: jax.Array, radii: jax.Array, *, block: int = 128
) -> jax.Array:
    """In how many of the balls about `centres [M, F]` of `radii [M]` each of `queries [N, F]` is: int32 `[N]`."""
    queries, centres = center_features(queries, centres)
    norms = jnp.sum(centres**2, axis=1)
    ulps = ROUNDING * jnp.finfo(queries.dtype).eps

    def count(query):
        squares = squared_distances(query, centres, norms)
        slack = ulps * (squares if centres.shape[1] <= FEW else norms + jnp.sum(query**2))
        return jnp.sum(squares <= radii**2 + slack, dtype=jnp.int32)

    return jax.lax.map(count, queries, batch_size=block)


def squared_distances(query: jax.Array, references: jax.Array, norms: jax.Array) -> jax.Array:
    """`[M]` from `query [F]` to `references [M, F]`, whose squared norms are `norms [M]`."""
    dim = references.shape[1]
    if dim <= FEW:
        return sum(((query[i] - references[:, i]) ** 2 for i in range(dim)), jnp.zeros_like(norms))
    # max(0, …) is left out: it changes neither the order of what is above 0 nor what is within a ball.
    return jnp.sum(query**2) + norms - 2 * jnp.matmul(query, references.T, precision="highest")


def smallest_k(values: jax.Array, k: int) -> jax.Array:
    """The indices `[k]` of the k least of `values [M]`, in no order.

    They are in the k groups with the least minima; so a CPU, on which top_k is slow, has it of few values only.
    """
    groups = jnp.pad(values, (0, -len(values) % GROUPED), constant_values=jnp.inf).reshape(
        GROUPED, -1
    )
    _, group = jax.lax.top_k(-jnp.min(groups, axis=0), min(k, groups.shape[1]))
    _, place = jax.lax.top_k(-groups[:, group].reshape(-1), k)
    return place // len(group) * groups.shape[1] + group[place % len(group)]


def center_features(queries: jax.Array, references: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Both, in at least float32, less the references' mean. Raises an error unless they are floating [N, F], [M, F]."""
    fit = queries.ndim == references.ndim == 2 and queries.shape[1] == references.shape[1]
    if not fit or not queries.size or not references.size:
        shapes = f"{list(queries.shape)} and {list(references.shape)}"
        raise ShapeError(
            f"features have the shapes {shapes}, expected [N, F] and [M, F], none of them 0"
        )
    check_floating(queries=queries, references=references)
    dtype = jnp.promote_types(jnp.promote_types(queries.dtype, references.dtype), jnp.float32)
    centre = jnp.mean(references.astype(dtype), axis=0)
    return queries.astype(dtype) - centre[None], references.astype(dtype) - centre[None]
