"""Random, differentiable augmentations of images, for training on few images.

With few images, the discriminator memorizes them and the generator learns nothing from it any more.
Differentiable augmentation shows D only augmented images, real and generated ones alike, and the
gradient reaches G through the augmentation. An augmentation is
`(images [B, H, W, C], key) -> images [B, H, W, C]`, the form that `make_gan(augment=…)` takes; the
key is consumed. Each image gets its own random numbers. Images are in [-1, 1], but augmented ones
may leave this range.

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

MAX_SHIFT = 1 / 8  # of the height and width
CUTOUT_SIZE = 1 / 2


def diff_augment(names: Sequence[AugmentName]) -> Augment | None:
    """Returns an augmentation that applies those named, one after the other.

    Args:
      names: Names of functions of this module. The paper uses `("color", "translation", "cutout")`.
        Flips suit only data in which mirrored images are as likely, and thus not digits.

    Returns:
      `(images [B, H, W, C], key) -> images [B, H, W, C]`; None if there are no names.

    Raises:
      ConfigError: If a name is unknown.
    """
    for name in names:
        if name not in AUGMENTATIONS:
            raise ConfigError(f"augmentation {name!r}, expected one of {', '.join(AUGMENTATIONS)}")
    if not names:
        return None

    def augment(images, key):
        for name, step_key in zip(names, jax.random.split(key, len(names)), strict=True):
            images = AUGMENTATIONS[name](images, step_key)
        return images

    return augment


def color(images: jax.Array, key: jax.Array) -> jax.Array:
    """Changes the brightness, the saturation and the contrast of each image.

    Adds a number in [-1/2, 1/2) to all pixels; then multiplies the deviations from the gray value
    of each pixel (the mean of its channels) by a factor in [0, 2), and the deviations from the mean
    of the image by a factor in [1/2, 3/2). All are uniformly distributed.

    Args:
      images: `[B, H, W, C]`.
      key: A typed PRNG key.

    Raises:
      ShapeError: If `images` has another number of axes.
    """
    _check_image_axes(images)
    brightness_key, saturation_key, contrast_key = jax.random.split(key, 3)
    images = images + _uniform_per_image(brightness_key, images, -0.5, 0.5)
    gray = jnp.mean(images, axis=-1, keepdims=True)
    images = gray + _uniform_per_image(saturation_key, images, 0.0, 2.0) * (images - gray)
    mean = jnp.mean(images, axis=(1, 2, 3), keepdims=True)
    return mean + _uniform_per_image(contrast_key, images, 0.5, 1.5) * (images - mean)


def translation(images: jax.Array, key: jax.Array) -> jax.Array:
    """Shifts each image by up to an eighth of its height and of its width, filling up with 0.

    Shifts are whole numbers of pixels, uniformly distributed.

    Args:
      images: `[B, H, W, C]`.
      key: A typed PRNG key.

    Raises:
      ShapeError: If `images` has another number of axes.
    """
    _check_image_axes(images)
    for axis, axis_key in zip((1, 2), jax.random.split(key), strict=True):
        limit = _round_half_up(MAX_SHIFT * images.shape[axis])
        shifts = _integer_per_image(axis_key, images, -limit, limit)
        images = _shift_along(images, shifts, axis)
    return images


def cutout(images: jax.Array, key: jax.Array) -> jax.Array:
    """Sets a rectangle of half the height and half the width of each image to 0.

    The center of the rectangle is uniformly distributed over the pixels, so the rectangle may
    extend beyond the image.

    Args:
      images: `[B, H, W, C]`.
      key: A typed PRNG key.

    Raises:
      ShapeError: If `images` has another number of axes.
    """
    _check_image_axes(images)
    inside = jnp.array(True)
    for axis, axis_key in zip((1, 2), jax.random.split(key), strict=True):
        size = images.shape[axis]
        length = _round_half_up(CUTOUT_SIZE * size)
        # The center of an even length lies between two pixels, or at an edge: one more position.
        last_center = size - length % 2
        first = _integer_per_image(axis_key, images, 0, last_center) - length // 2
        offsets = _indices_along(images, axis) - first
        inside &= (offsets >= 0) & (offsets < length)
    return jnp.where(inside, 0, images)


def flip(images: jax.Array, key: jax.Array) -> jax.Array:
    """Mirrors each image, left to right, with probability 1/2.

    Args:
      images: `[B, H, W, C]`.
      key: A typed PRNG key.

    Raises:
      ShapeError: If `images` has another number of axes.
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
    """Rounds as the authors' code does; Python rounds halves to even numbers."""
    return int(x + 0.5)


def _check_image_axes(images: jax.Array) -> None:
    """Raises ShapeError if an array is not a batch of images."""
    if images.ndim != 4:
        raise ShapeError(
            f"augmented samples have shape {list(images.shape)}, expected images [B, H, W, C]; "
            "leave out augment, or give make_gan a function of your own"
        )
