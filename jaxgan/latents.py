"""Interpolation between latent vectors: lines and grids in the latent space of a generator."""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.errors import ConfigError, ShapeError
from jaxgan.priors import Prior

NUM_PRIOR_SAMPLES = 4_096
KURTOSIS_TOLERANCE = 0.5  # around 3, the kurtosis of a normal distribution; uniform: 1.8
MIN_SIN_ANGLE = 1e-3  # below it, vectors count as parallel, since the division is inaccurate


def draw_latents(prior: Prior, seeds: Sequence[int]) -> jax.Array:
    """Returns one latent vector per seed.

    For an unconditional GAN, it is the latent vector of `Run.sample(jax.random.key(seed), 1)`.

    Args:
      prior: The prior of the GAN, `gan.prior`.
      seeds: Integers, at least one.

    Returns:
      `[len(seeds), dim]`, float32.
    """
    draw = jax.jit(lambda key: prior(key, 1)[0])
    return jnp.stack([draw(jax.random.key(seed)) for seed in seeds])


def is_normal(prior: Prior) -> bool:
    """Returns whether a prior is normal with mean 0, estimated from 4,096 latent vectors.

    The mean and the kurtosis are compared with those of a normal distribution. Normal latent
    vectors of many dimensions lie close to a sphere, and a straight line between two of them passes
    through vectors that are much shorter, so interpolation between them should be spherical.
    """
    z = np.asarray(prior(jax.random.key(0), NUM_PRIOR_SAMPLES))
    kurtosis = np.mean((z / np.std(z)) ** 4)
    centered = abs(np.mean(z)) < 0.1 * np.std(z)
    return bool(centered and abs(kurtosis - 3) < KURTOSIS_TOLERANCE)


@partial(jax.jit, static_argnames=("num", "spherical", "closed"))
def interpolate(
    points: jax.Array, num: int, *, spherical: bool = False, closed: bool = False
) -> jax.Array:
    """Interpolates from each point to the next, piecewise.

    Each section, from one point to the next, has the same number of results, up to rounding.

    Args:
      points: `[n, dim]`, floating, n at least 2; latent vectors, or weights of classes.
      num: Number of results, at least 1.
      spherical: Whether to interpolate along great arcs instead of straight lines, see
        `interpolate_pair`.
      closed: Whether to interpolate from the last point back to the first, which is not repeated
        at the end. Otherwise the last result is the last point.

    Returns:
      `[num, dim]`; the first row is `points[0]`.

    Raises:
      ShapeError: If `points` is not `[n, dim]` with n at least 2.
      ConfigError: If `num` is below 1.
    """
    if points.ndim != 2 or len(points) < 2:
        raise ShapeError(
            f"points have shape {list(points.shape)}, expected [n, dim] with n at least 2; pass at "
            "least two points"
        )
    if num < 1:
        raise ConfigError(f"num is {num}, expected at least 1")
    last = len(points) if closed else len(points) - 1
    position = jnp.linspace(0, last, num, endpoint=not closed)
    start = jnp.minimum(jnp.floor(position).astype(jnp.int32), last - 1)
    weight = position - start
    return interpolate_pair(
        points[start], points[(start + 1) % len(points)], weight, spherical=spherical
    )


def interpolate_pair(
    start: jax.Array, end: jax.Array, weight: jax.Array, *, spherical: bool = False
) -> jax.Array:
    """Interpolates between pairs of vectors.

    Args:
      start: `[N, dim]`.
      end: `[N, dim]`.
      weight: `[N]`, 0 for `start` to 1 for `end`.
      spherical: Whether to interpolate along the great arc (slerp): for the weight t and the angle
        ω between the vectors, `sin((1 - t) ω) / sin ω · start + sin(t ω) / sin ω · end`. Vectors
        that are parallel or opposite, for which sin ω is 0, are interpolated linearly. Otherwise
        `(1 - t) · start + t · end`.

    Returns:
      `[N, dim]`.

    References:
      Shoemake 1985 (slerp); White 2016, "Sampling generative networks", section 2.1 (slerp of
      latent vectors).
    """
    weight = weight[:, None]
    linear = (1 - weight) * start + weight * end
    if not spherical:
        return linear
    norms = jnp.linalg.norm(start, axis=1) * jnp.linalg.norm(end, axis=1)
    tiny = jnp.finfo(start.dtype).tiny
    cosine = jnp.sum(start * end, axis=1) / jnp.maximum(norms, tiny)
    angle = jnp.arccos(jnp.clip(cosine, -1, 1))[:, None]
    sine = jnp.sin(angle)
    safe = jnp.where(sine < MIN_SIN_ANGLE, 1, sine)
    arc = (jnp.sin((1 - weight) * angle) * start + jnp.sin(weight * angle) * end) / safe
    return jnp.where(sine < MIN_SIN_ANGLE, linear, arc)


@partial(jax.jit, static_argnames=("size", "spherical"))
def interpolate_grid(corners: jax.Array, size: int, *, spherical: bool = False) -> jax.Array:
    """Interpolates between four corners of a grid: first along the sides, then along each row.

    Args:
      corners: `[4, dim]`, floating: top left, top right, bottom left, bottom right.
      size: Number of rows and of columns, at least 2.
      spherical: See `interpolate_pair`.

    Returns:
      `[size, size, dim]`, by row and column.

    Raises:
      ShapeError: If `corners` is not `[4, dim]`.
      ConfigError: If `size` is below 2.
    """
    if corners.ndim != 2 or len(corners) != 4:
        raise ShapeError(
            f"corners have shape {list(corners.shape)}, expected [4, dim]; pass the latent vectors "
            "at the top left, top right, bottom left and bottom right"
        )
    if size < 2:
        raise ConfigError(f"size is {size}, expected at least 2")
    left = interpolate(corners[jnp.array([0, 2])], size, spherical=spherical)
    right = interpolate(corners[jnp.array([1, 3])], size, spherical=spherical)
    weight = jnp.linspace(0, 1, size)
    grid = [interpolate_pair(left, right, jnp.full(size, w), spherical=spherical) for w in weight]
    return jnp.stack(grid, axis=1)
