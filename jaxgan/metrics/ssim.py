"""Structural similarity (SSIM) of image pairs, and within classes, where it shows mode collapse."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.errors import ConfigError, DtypeError, ShapeError

WINDOW_SIZE, SIGMA = 11, 1.5  # in pixels
C1, C2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2  # the 2 is the range of pixels in [-1, 1]
WINDOW_WEIGHTS = np.exp(-((np.arange(WINDOW_SIZE) - WINDOW_SIZE // 2) ** 2) / (2 * SIGMA**2))
WINDOW_WEIGHTS /= WINDOW_WEIGHTS.sum()


class IntraClassSSIM(NamedTuple):
    """Intra-class SSIM and its standard error; both are scalars, NaN if no class has two images.

    Attributes:
      value: Mean SSIM of the pairs; 1 if all images of each class are equal.
      standard_error: Standard error of `value` over the random choice of pairs. It does not
        include the choice of images.
    """

    value: jax.Array
    standard_error: jax.Array


def ssim(a: jax.Array, b: jax.Array) -> jax.Array:
    """Structural similarity of each image in `a` with the image of the same index in `b`.

    The mean of (2mn + C₁)(2s + C₂) / ((m² + n² + C₁)(v + w + C₂)) over the channels and over all
    positions where an 11 x 11 Gaussian window (standard deviation 1.5 pixels) fits inside the
    image. m and n are the means, v and w the variances and s the covariance of the two images in
    the window; C₁ = 0.02² and C₂ = 0.06².

    Args:
      a: `[N, H, W, C]`, floating, in [-1, 1]; H and W at least 11.
      b: `[N, H, W, C]`, likewise.

    Returns:
      `[N]`, at least float32, from -1 to 1; 1 for equal images.

    Raises:
      ShapeError: If `a` and `b` do not have the same shape `[N, H, W, C]` with H and W at least 11.
      DtypeError: If an argument is not floating.

    References:
      Wang et al. 2004, eq. 13 and section III-C.
    """
    if a.ndim != 4 or a.shape != b.shape or min(a.shape[1:3]) < WINDOW_SIZE:
        raise ShapeError(
            f"images have shapes {list(a.shape)} and {list(b.shape)}, expected the same shape "
            f"[N, H, W, C] with H and W at least {WINDOW_SIZE}; pair images of the same size"
        )
    if not (jnp.issubdtype(a.dtype, jnp.floating) and jnp.issubdtype(b.dtype, jnp.floating)):
        raise DtypeError(
            f"images are {a.dtype} and {b.dtype}, expected floating pixels in [-1, 1]; scale "
            "integer pixels first"
        )
    dtype = jnp.promote_types(jnp.promote_types(a.dtype, b.dtype), jnp.float32)
    a, b = a.astype(dtype), b.astype(dtype)
    m, n = gaussian_blur(a), gaussian_blur(b)
    variance_sum = gaussian_blur(a**2) + gaussian_blur(b**2) - m**2 - n**2
    ratio = (
        (2 * m * n + C1)
        * (2 * (gaussian_blur(a * b) - m * n) + C2)
        / ((m**2 + n**2 + C1) * (variance_sum + C2))
    )
    return jnp.mean(ratio, axis=(1, 2, 3))


# Without jit, every eager call would compile the loop of `lax.map` again.
@partial(jax.jit, static_argnames="num_pairs")
def intra_class_ssim(
    images: jax.Array, labels: jax.Array, key: jax.Array, *, num_pairs: int = 1000
) -> IntraClassSSIM:
    """Mean SSIM of random pairs of different images of the same class.

    The first image of a pair is drawn uniformly from all images whose class has at least two, the
    second uniformly from the other images of that class. High values indicate collapse within
    classes; compare with the value of real images. For images without classes, set all labels to 0.

    Args:
      images: `[N, H, W, C]`, floating, in [-1, 1]; H and W at least 11.
      labels: `[N]`, integers, the class of each image.
      key: A typed PRNG key, which is consumed.
      num_pairs: Number of pairs, at least 2.

    Returns:
      The mean, from -1 to 1, and its standard error.

    Raises:
      ShapeError: If `images` is not `[N, H, W, C]` with H and W at least 11, or `labels` not `[N]`.
      DtypeError: If `images` is not floating.
      ConfigError: If `num_pairs` is below 2.

    References:
      Odena et al. 2017, section 4.2, who use MS-SSIM.
    """
    if images.ndim != 4 or labels.shape != images.shape[:1]:
        raise ShapeError(
            f"images have shape {list(images.shape)}, labels {list(labels.shape)}, expected "
            "[N, H, W, C] and [N]; pass one label per image"
        )
    if num_pairs < 2:
        raise ConfigError(
            f"num_pairs is {num_pairs}, expected at least 2 pairs; the default is 1000"
        )
    first, second, any_pair = draw_pairs(labels, key, num_pairs)

    def compare_pair(pair):
        return ssim(*(images[index][None] for index in pair))[0]

    values = jax.lax.map(compare_pair, (first, second), batch_size=256)
    values = jnp.where(any_pair, values, jnp.nan)
    return IntraClassSSIM(jnp.mean(values), jnp.std(values, ddof=1) / num_pairs**0.5)


def draw_pairs(
    labels: jax.Array, key: jax.Array, num: int
) -> tuple[jax.Array, jax.Array, jax.Array]:
    """Draws pairs of different images of the same class.

    Args:
      labels: `[N]`, the class of each image.
      key: A typed PRNG key, which is consumed.
      num: Number of pairs.

    Returns:
      first: `[num]`, index of the first image of each pair.
      second: `[num]`, index of the second image.
      any_pair: Bool scalar; if False, no class has two images and the indices are meaningless.
    """
    # Sorted by label, each class is one range [start, end) of positions.
    order = jnp.argsort(labels)
    ordered = labels[order]
    starts, ends = (jnp.searchsorted(ordered, ordered, side=side) for side in ("left", "right"))
    sizes = ends - starts
    num_eligible = jnp.sum(sizes > 1)
    eligible = jnp.argsort(sizes < 2)  # positions; those in classes of two or more come first
    first_key, second_key = jax.random.split(key)
    first = eligible[jax.random.randint(first_key, (num,), 0, jnp.maximum(num_eligible, 1))]
    # A cyclic shift by 1 to size - 1 within the class never returns to the first image.
    shift = jax.random.randint(second_key, (num,), 1, jnp.maximum(sizes[first], 2))
    second = starts[first] + (first - starts[first] + shift) % sizes[first]
    return order[first], order[second], num_eligible > 0


def gaussian_blur(images: jax.Array) -> jax.Array:
    """Gaussian-weighted mean in every 11 x 11 window that fits inside the image.

    Args:
      images: `[N, H, W, C]`, floating; H and W at least 11.

    Returns:
      `[N, H - 10, W - 10, C]`.
    """
    # The window is separable: one weighted sum of shifted slices per axis.
    for axis in (1, 2):
        size = images.shape[axis] - WINDOW_SIZE + 1
        slices = [jax.lax.slice_in_dim(images, i, i + size, axis=axis) for i in range(WINDOW_SIZE)]
        weighted = [w * x for w, x in zip(WINDOW_WEIGHTS.tolist(), slices, strict=True)]
        images = jnp.sum(jnp.stack(weighted), axis=0)
    return images
