"""Stacked MNIST: color images with an independent random digit in each of the three channels.

With ten classes of digits there are 1,000 modes, the triples of classes. The data set is that of
Lin et al. 2018 (PacGAN), which follows Metz et al. 2017 and Srivastava et al. 2017: 128,000 triples
drawn at random from all images of MNIST.

Only the digits and the indices of the triples are stored; batches are stacked when they are used.
"""

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.data.sources import Source, check_images, epoch_order, from_pixels
from jaxgan.errors import ShapeError

NUM_TRIPLES = 128_000
NUM_CHANNELS = 3


def draw_triples(num_images: int, num: int = NUM_TRIPLES, seed: int = 0) -> np.ndarray:
    """Draws triples of image indices, independent and uniform.

    Args:
      num_images: Number of images to draw from, at least 1.
      num: Number of triples.
      seed: Seed of the draw, at least 0.

    Returns:
      int32 `[num, 3]`, from 0 to `num_images` - 1.
    """
    rng = np.random.default_rng(seed)
    return rng.integers(num_images, size=(num, NUM_CHANNELS), dtype=np.int32)


def stack_images(images: jax.typing.ArrayLike, triples: jax.typing.ArrayLike) -> jax.Array:
    """Stacks three grayscale images to the channels of one color image.

    Args:
      images: `[N, H, W, 1]`.
      triples: `[B, 3]`, indices of the images of each channel, from 0 to N - 1.

    Returns:
      `[B, H, W, 3]`.
    """
    channels = jnp.asarray(images)[jnp.asarray(triples)][..., 0]
    return jnp.moveaxis(channels, 1, -1)


def stack_labels(labels: np.ndarray, num_classes: int) -> np.ndarray:
    """Returns the mode of each triple of class indices.

    Args:
      labels: int `[N, 3]`, the class index of each channel, from 0 to K - 1.
      num_classes: K.

    Returns:
      int `[N]`, from 0 to K³ - 1: the labels as the digits of a number in base K.
    """
    first, second, third = np.asarray(labels).T
    return (first * num_classes + second) * num_classes + third


def stacked_source(images: np.ndarray, triples: np.ndarray, batch_size: int) -> Source:
    """Returns a source of stacked images, reshuffled for every epoch.

    Triples that do not fill the last batch of an epoch are dropped.

    Args:
      images: uint8 `[N, H, W, 1]`.
      triples: int32 `[M, 3]`, indices of images from 0 to N - 1, which are not checked; see
        `draw_triples`. An epoch passes once through the triples.
      batch_size: B, at most M.

    Raises:
      DtypeError: If `images` is not a uint8 array.
      ShapeError: If `images` is not `[N, H, W, 1]`, or `triples` is not `[M, 3]`.
      ConfigError: If `batch_size` is not an integer in 1..M.
    """
    check_images(images)
    if images.shape[3] != 1:
        raise ShapeError(
            f"images have shape {list(images.shape)}, expected [N, H, W, 1]; pass grayscale "
            "images, each of which becomes one channel of a stacked image"
        )
    if triples.ndim != 2 or triples.shape[1] != NUM_CHANNELS:
        raise ShapeError(
            f"triples have shape {list(triples.shape)}, expected [M, 3]; make them with "
            "draw_triples"
        )
    order, batches_per_epoch = epoch_order(len(triples), batch_size)

    def batch(arrays, order, key, index):
        del key
        images, triples = arrays
        return from_pixels(stack_images(images, triples[order[index]])), None

    return Source((jnp.asarray(images), jnp.asarray(triples)), batches_per_epoch, order, batch)
