"""How alike images are: SSIM of pairs, and the sameness of a set, which shows collapse within classes."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.errors import ConfigError, DtypeError, ShapeError

WINDOW, SIGMA = 11, 1.5
C1, C2 = (0.01 * 2) ** 2, (0.03 * 2) ** 2  # the range of pixels, -1 to 1, is 2
WEIGHTS = np.exp(-((np.arange(WINDOW) - WINDOW // 2) ** 2) / (2 * SIGMA**2))
WEIGHTS /= WEIGHTS.sum()


class IntraClassSSIM(NamedTuple):
    """Scalars, NaN where no class has two images.

    Attributes:
      value: the mean SSIM of pairs; 1 where the images of each class are all the same.
      error: its standard error, for the draw of pairs from these images.
    """

    value: jax.Array
    error: jax.Array


def ssim(a: jax.Array, b: jax.Array) -> jax.Array:
    """SSIM of each image of `a [N, H, W, C]` with its partner in `b`, pixels in [-1, 1].

    The mean of (2 m n + C₁)(2 s + C₂) / ((m² + n² + C₁)(v + w + C₂)) over channels and all places where the 11 x 11
    Gaussian window (deviation 1.5) fits in the image, with the means m, n, variances v, w and covariance s in the
    window, and C₁ = 0.02², C₂ = 0.06².

    Returns:
      `[N]`, -1 to 1; 1 for the same image.

    Raises:
      ShapeError: where the images are not two `[N, H, W, C]` of one shape, with H and W of at least 11.
      DtypeError: where they are not floating.

    References:
      Wang et al. 2004, eq. 13 and section III-C.
    """
    if a.ndim != 4 or a.shape != b.shape or min(a.shape[1:3]) < WINDOW:
        shapes = f"{list(a.shape)} and {list(b.shape)}"
        raise ShapeError(
            f"images have the shapes {shapes}, expected [N, H, W, C] twice, H and W at least {WINDOW}"
        )
    if not (jnp.issubdtype(a.dtype, jnp.floating) and jnp.issubdtype(b.dtype, jnp.floating)):
        raise DtypeError(f"images are {a.dtype} and {b.dtype}, expected floating pixels in [-1, 1]")
    dtype = jnp.promote_types(jnp.promote_types(a.dtype, b.dtype), jnp.float32)
    a, b = a.astype(dtype), b.astype(dtype)
    m, n = gaussian_blur(a), gaussian_blur(b)
    spread = gaussian_blur(a**2) + gaussian_blur(b**2) - m**2 - n**2
    ratio = (
        (2 * m * n + C1)
        * (2 * (gaussian_blur(a * b) - m * n) + C2)
        / ((m**2 + n**2 + C1) * (spread + C2))
    )
    return jnp.mean(ratio, axis=(1, 2, 3))


@partial(jax.jit, static_argnames="num")  # else each call would compile its loop anew
def intra_class_ssim(
    images: jax.Array, labels: jax.Array, key: jax.Array, *, num: int = 1000
) -> IntraClassSSIM:
    """How alike two different images of one class are, on average over random pairs.

    An image is drawn, then another of its class; images that are alone in their class are left out. Real data's
    sameness is the scale to read it by. Without classes, let all labels be 0.

    Args:
      images: `[N, H, W, C]`, floating, in [-1, 1].
      labels: `[N]`, integers.
      key: is consumed.
      num: how many pairs, at least 2.

    Raises:
      ShapeError: where the images are not `[N, H, W, C]`, at least 11 x 11, or the labels not `[N]`.
      DtypeError: where the images are not floating.
      ConfigError: where num is below 2.

    References:
      Odena et al. 2017, section 4.2, who use MS-SSIM.
    """
    if images.ndim != 4 or labels.shape != images.shape[:1]:
        shapes = f"images have shape {list(images.shape)}, labels {list(labels.shape)}"
        raise ShapeError(f"{shapes}, expected [N, H, W, C] and [N]")
    if num < 2:
        raise ConfigError(f"num is {num}, expected at least 2 pairs")
    order = jnp.argsort(labels)
    ordered = labels[order]
    starts, ends = (jnp.searchsorted(ordered, ordered, side=side) for side in ("left", "right"))
    sizes = ends - starts
    paired = jnp.sum(sizes > 1)  # how many images have a partner; their places come first in:
    places = jnp.argsort(sizes < 2)
    one_key, other_key = jax.random.split(key)
    one = places[jax.random.randint(one_key, (num,), 0, jnp.maximum(paired, 1))]
    further = jax.random.randint(other_key, (num,), 1, jnp.maximum(sizes[one], 2))
    other = starts[one] + (one - starts[one] + further) % sizes[one]

    def compare(pair):
        return ssim(*(images[order[place]][None] for place in pair))[0]

    values = jnp.where(paired > 0, jax.lax.map(compare, (one, other), batch_size=256), jnp.nan)
    return IntraClassSSIM(jnp.mean(values), jnp.std(values, ddof=1) / num**0.5)


def gaussian_blur(images: jax.Array) -> jax.Array:
    """The weighted means in every window: `[N, H, W, C]` to `[N, H - 10, W - 10, C]`."""
    for axis in (1, 2):
        size = images.shape[axis] - WINDOW + 1
        slices = [jax.lax.slice_in_dim(images, i, i + size, axis=axis) for i in range(WINDOW)]
        images = jnp.sum(
            jnp.stack([w * x for w, x in zip(WEIGHTS.tolist(), slices, strict=True)]), axis=0
        )
    return images
