"""Points, walks and planes in the latent space of a generator."""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.errors import ConfigError, ShapeError
from jaxgan.priors import Prior

NUM_TESTED = 4_096
KURTOSIS_TOLERANCE = 0.5  # normal: 3, uniform: 1.8
MIN_SIN_ANGLE = 1e-3  # below it, two vectors are parallel in float32


def draw_latents(prior: Prior, seeds: Sequence[int]) -> jax.Array:
    """Returns the first latent vector of each seed, `[len(seeds), dim]`.

    The first sample of `Run.sample(jax.random.key(seed), num)` of an unconditional GAN comes from
    the same latent vector if `num` is 1.

    Args:
      prior: The prior of the GAN, `gan.prior`.
      seeds: Integers, at least one.
    """
    draw = jax.jit(lambda key: prior(key, 1)[0])
    return jnp.stack([draw(jax.random.key(seed)) for seed in seeds])


def is_normal(prior: Prior) -> bool:
    """Returns whether a prior is normal with mean 0, judged by moments of 4,096 latent vectors.

    Normal latent vectors lie close to a sphere, so walks between them should be spherical: a
    straight line between two of them passes through vectors that are much shorter.
    """
    z = np.asarray(prior(jax.random.key(0), NUM_TESTED))
    kurtosis = np.mean((z / np.std(z)) ** 4)
    centered = abs(np.mean(z)) < 0.1 * np.std(z)
    return bool(centered and abs(kurtosis - 3) < KURTOSIS_TOLERANCE)


@partial(jax.jit, static_argnames=("num", "spherical", "closed"))
def interpolate(
    points: jax.Array, num: int, *, spherical: bool = False, closed: bool = False
) -> jax.Array:
    """Returns evenly spaced points of a walk from each given point to the next.

    Every section, from one point to the next, has equally many points of the walk, up to rounding.

    Args:
      points: `[n, dim]`, floating, at least two; latent vectors, or weights of classes.
      num: Number of points of the walk, at least 1.
      spherical: Whether to interpolate along great arcs instead of straight lines, see
        `interpolate_pair`.
      closed: Whether the walk goes back to the first point, which is not repeated at its end.
        Otherwise it ends at the last point.

    Returns:
      `[num, dim]`; the first is `points[0]`.

    Raises:
      ShapeError: If `points` is not `[n, dim]` with n at least 2.
      ConfigError: If `num` is below 1.
    """
    if points.ndim != 2 or len(points) < 2:
        raise ShapeError(f"points have shape {list(points.shape)}, expected [n, dim], n at least 2")
    if num < 1:
        raise ConfigError(f"num is {num}, expected at least 1 point of the walk")
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
      spherical: Whether to interpolate along the great arc: with the angle ω between the vectors,
        `sin((1 - t) ω) / sin ω · start + sin(t ω) / sin ω · end`. Vectors that are parallel or
        opposite, which have no unique arc, are interpolated linearly.

    Returns:
      `[N, dim]`.

    References:
      Shoemake 1985 (slerp); White 2016, section 2.1 (of latent vectors).
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
    """Returns a grid of latent vectors between four corners.

    Args:
      corners: `[4, dim]`: top left, top right, bottom left, bottom right.
      size: Number of rows and of columns, at least 2.
      spherical: See `interpolate_pair`.

    Returns:
      `[size, size, dim]`, by row and column.
    """
    left = interpolate(corners[jnp.array([0, 2])], size, spherical=spherical)
    right = interpolate(corners[jnp.array([1, 3])], size, spherical=spherical)
    weight = jnp.linspace(0, 1, size)
    grid = [interpolate_pair(left, right, jnp.full(size, w), spherical=spherical) for w in weight]
    return jnp.stack(grid, axis=1)
