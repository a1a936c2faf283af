"""Random, differentiable augmentations of images, for training on few images.

A discriminator that is trained on few images memorizes them, and the generator no longer learns
from it. With differentiable augmentation, the discriminator receives only augmented images, both
real and generated, and the generator's gradient passes through the augmentation.

An augmentation is `(images [B, H, W, C], key) -> images [B, H, W, C]`, the form that
`make_gan(augment=…)` takes; the key is consumed. Random numbers are drawn separately for each
image. Images are in [-1, 1], where 0 is gray; `color` may return values outside this range.

References:
  Zhao et al. 2020, Differentiable Augmentation for Data-Efficient GAN Training, sections 3.2 and 4.
"""

from collections.abc import Callable, Sequence
from typing import Literal

import jax
import jax.numpy as jnp

from jaxgan.errors import ConfigError, ShapeError

Augment = Callable[[jax.Array, jax.Array], jax.Array]
AugmentName = Literal["color", "translation", "cutout", "flip"]

MAX_SHIFT = 1 / 8  # of the height, and of the width
CUTOUT_SIZE = 1 / 2  # of the height, and of the width


def diff_augment(names: Sequence[AugmentName]) -> Augment | None:
    """Returns an augmentation that applies the named functions in the given order.

    Args:
      names: Names of functions of this module. The paper uses `("color", "translation", "cutout")`.
        Use `"flip"` only if mirrored images are as likely as the originals, so not for digits.

    Returns:
      `(images [B, H, W, C], key) -> images [B, H, W, C]`; None if there are no names.

    Raises:
      ConfigError: If a name is unknown.
    """
    for name in names:
        if name not in AUGMENTATIONS:
            raise ConfigError(
                f"augmentation {name!r} is unknown, expected one of {', '.join(AUGMENTATIONS)}"
            )
    if not names:
        return None

    def augment(images, key):
        for name, step_key in zip(names, jax.random.split(key, len(names)), strict=True):
            images = AUGMENTATIONS[name](images, step_key)
        return images

    return augment


def color(images: jax.Array, key: jax.Array) -> jax.Array:
    """Changes the brightness, the saturation and the contrast of each image.

    Adds a number in [-1/2, 1/2) to all pixels. Then multiplies the deviation of each pixel from its
    gray value, the mean of its channels, by a factor in [0, 2). Then multiplies the deviation of
    each value from the mean of the image by a factor in [1/2, 3/2). The three numbers are uniformly
    distributed.

    Args:
      images: `[B, H, W, C]`, floating.
      key: A typed PRNG key, which is consumed.

    Returns:
      `[B, H, W, C]`, of the same dtype.

    Raises:
      ShapeError: If `images` is not of rank 4.
    """
    _check_image_axes(images)
    brightness_key, saturation_key, contrast_key = jax.random.split(key, 3)
    images = images + _uniform_per_image(brightness_key, images, -0.5, 0.5)
    gray = jnp.mean(images, axis=-1, keepdims=True)
    images = gray + _uniform_per_image(saturation_key, images, 0.0, 2.0) * (images - gray)
    mean = jnp.mean(images, axis=(1, 2, 3), keepdims=True)
    return mean + _uniform_per_image(contrast_key, images, 0.5, 1.5) * (images - mean)


def translation(images: jax.Array, key: jax.Array) -> jax.Array:
    """Shifts each image by up to an eighth of its height and of its width, and fills up with 0.

    The shifts are whole numbers of pixels, uniformly distributed. The largest shift, an eighth of
    the side, is rounded to a whole number, halves up.

    Args:
      images: `[B, H, W, C]`, floating.
      key: A typed PRNG key, which is consumed.

    Returns:
      `[B, H, W, C]`, of the same dtype.

    Raises:
      ShapeError: If `images` is not of rank 4.
    """
    _check_image_axes(images)
    for axis, axis_key in zip((1, 2), jax.random.split(key), strict=True):
        limit = _round_half_up(MAX_SHIFT * images.shape[axis])
        shifts = _integer_per_image(axis_key, images, -limit, limit)
        images = _shift_along(images, shifts, axis)
    return images


def cutout(images: jax.Array, key: jax.Array) -> jax.Array:
    """Sets a rectangle of half the height and half the width of each image to 0.

    The sides of the rectangle are rounded to whole numbers of pixels, halves up. Its center is
    uniformly distributed over the image, so a part of the rectangle may lie outside.

    Args:
      images: `[B, H, W, C]`, floating.
      key: A typed PRNG key, which is consumed.

    Returns:
      `[B, H, W, C]`, of the same dtype.

    Raises:
      ShapeError: If `images` is not of rank 4.
    """
    _check_image_axes(images)
    inside = jnp.array(True)
    for axis, axis_key in zip((1, 2), jax.random.split(key), strict=True):
        size = images.shape[axis]
        length = _round_half_up(CUTOUT_SIZE * size)
        # An even length has its center between two pixels or at an edge of the image, which gives
        # one position more than the centers of the pixels, on which an odd length is centered.
        last_center = size - length % 2
        first = _integer_per_image(axis_key, images, 0, last_center) - length // 2
        offsets = _indices_along(images, axis) - first
        inside &= (offsets >= 0) & (offsets < length)
    return jnp.where(inside, 0, images)


def flip(images: jax.Array, key: jax.Array) -> jax.Array:
    """Mirrors each image, left to right, with probability 1/2.

    Args:
      images: `[B, H, W, C]`, floating.
      key: A typed PRNG key, which is consumed.

    Returns:
      `[B, H, W, C]`, of the same dtype.

    Raises:
      ShapeError: If `images` is not of rank 4.
    """
    _check_image_axes(images)
    is_flipped = jax.random.bernoulli(key, shape=(len(images), 1, 1, 1))
    return jnp.where(is_flipped, images[:, :, ::-1], images)


AUGMENTATIONS: dict[str, Augment] = {
    "color": color,
    "translation": translation,
    "cutout": cutout,
    "flip": flip,
}


def _shift_along(images: jax.Array, shifts: jax.Array, axis: int) -> jax.Array:
    """Returns each image shifted by its number of pixels along an axis, filled up with 0.

    Args:
      images: `[B, H, W, C]`.
      shifts: Integers `[B, 1, 1, 1]`; pixel i moves to i + shift.
      axis: 1 or 2.
    """
    last = images.shape[axis] - 1
    source = _indices_along(images, axis) - shifts
    shifted = jnp.take_along_axis(images, jnp.clip(source, 0, last), axis)
    return jnp.where((source >= 0) & (source <= last), shifted, 0)


def _indices_along(images: jax.Array, axis: int) -> jax.Array:
    """Returns the indices of the pixels along an axis, of shape 1 along all other axes."""
    shape = [1] * images.ndim
    shape[axis] = -1
    return jnp.arange(images.shape[axis]).reshape(shape)


def _uniform_per_image(key, images, low, high):
    """Returns one uniform number per image, `[B, 1, 1, 1]`, in the dtype of the images."""
    return jax.random.uniform(key, (len(images), 1, 1, 1), images.dtype, low, high)


def _integer_per_image(key, images, low, high):
    """Returns one uniform integer from low to high, both included, per image, `[B, 1, 1, 1]`."""
    return jax.random.randint(key, (len(images), 1, 1, 1), low, high + 1)


def _round_half_up(x: float) -> int:
    """Rounds halves up, as the authors' code does; `round` rounds them to even numbers."""
    return int(x + 0.5)


def _check_image_axes(images: jax.Array) -> None:
    """Raises ShapeError if an array is not a batch of images."""
    if images.ndim != 4:
        raise ShapeError(
            f"augmented samples have shape {list(images.shape)}, expected images [B, H, W, C]; "
            "leave out augment, or give make_gan a function of your own"
        )
