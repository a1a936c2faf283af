"""Sources of training batches.

A batch is a pure function of the data, the random key and the train step, so a resumed run replays
the same batches exactly.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from jaxgan._checks import check_array, check_integers
from jaxgan.errors import ConfigError, DtypeError, ShapeError

EPOCH_IMAGES = 60_000

ArrayT = TypeVar("ArrayT", jax.Array, np.ndarray)


class Source(NamedTuple):
    """Pure functions that define the batches of a run.

    Attributes:
      arrays: Pytree of arrays that stays on the device, for example all images; `()` if batches are
        synthetic.
      batches_per_epoch: Number of batches in an epoch.
      order: `(key, epoch) -> order`, computed once per epoch. The function folds the epoch into the
        key.
      batch: `(arrays, order, key, index) -> (real [B, …], condition)`, batch `index` of the epoch.
        `condition` is None or `[B, …]`. The key belongs to this batch and is consumed.
      stream: None if `arrays` stays on the device. Otherwise
        `(key, blocks, d_steps, mesh) -> iterator`, which yields the arrays of each block of train
        steps in turn; a block is `(epoch, index, count)`, as `jaxgan.training.blocks` plans them.
        `arrays` then contains only the shapes and dtypes of the arrays of one batch. See
        `jaxgan.data.streaming`.
    """

    arrays: Any
    batches_per_epoch: int
    order: Callable[[jax.Array, jax.Array], Any]
    batch: Callable[[Any, Any, jax.Array, jax.Array], tuple[jax.Array, jax.Array | None]]
    stream: (
        Callable[[jax.Array, Sequence[tuple[int, int, int]], int, Mesh], Iterator[Any]] | None
    ) = None


def array_source(
    images: np.ndarray, batch_size: int, *, labels: np.ndarray | None = None, repeats: int = 1
) -> Source:
    """Returns a source of images in memory, reshuffled for every epoch.

    Images that do not fill the last batch of an epoch are dropped.

    Args:
      images: uint8 `[N, H, W, C]`.
      batch_size: B, at most N.
      labels: `[N, …]`, used as the condition: class indices `[N]`, or vectors of any kind. None for
        no condition.
      repeats: Number of times that an epoch goes through all images. Values above 1 make the epochs
        of small data sets longer.

    Raises:
      DtypeError: If `images` is not a uint8 array, or `labels` not an array of numbers.
      ShapeError: If `images` is not of rank 4, or `labels` is not `[N, …]`.
      ConfigError: If `batch_size` is not an integer in 1..N, or `repeats` not one of at least 1.
    """
    check_images(images)
    check_labels(labels, len(images))
    order, batches_per_epoch = epoch_order(len(images), batch_size, repeats)
    arrays = (jnp.asarray(images), None if labels is None else jnp.asarray(labels))

    def batch(arrays, order, key, index):
        del key
        pixels, labels = jax.tree.map(lambda a: a[order[index]], arrays)
        return from_pixels(pixels), labels

    return Source(arrays, batches_per_epoch, order, batch)


def epoch_order(
    num: int, batch_size: int, repeats: int = 1
) -> tuple[Callable[[jax.Array, jax.Array], jax.Array], int]:
    """Returns the `order` function of a `Source` of `num` images, and its batches per epoch.

    The function returns int32 `[batches_per_epoch, B]`, the image indices of each batch: one random
    permutation of all images per repeat.

    Args:
      num: N, the number of images.
      batch_size: See `array_source`.
      repeats: See `array_source`.

    Raises:
      ConfigError: If `batch_size` is not an integer in 1..N, or `repeats` not one of at least 1.
    """
    check_integers(num=num, batch_size=batch_size, repeats=repeats)
    if not 1 <= batch_size <= num:
        raise ConfigError(
            f"batch_size is {batch_size}, expected 1 to {num}, the number of images; "
            "change batch_size or use more images"
        )
    if repeats < 1:
        raise ConfigError(f"repeats is {repeats}, expected at least 1; use 1 for one pass")
    batches_per_epoch = repeats * num // batch_size

    def order(key, epoch):
        keys = jax.random.split(jax.random.fold_in(key, epoch), repeats)
        indices = jax.vmap(lambda k: jax.random.permutation(k, num))(keys).reshape(-1)
        return indices[: batches_per_epoch * batch_size].reshape(batches_per_epoch, batch_size)

    return order, batches_per_epoch


def synthetic_source(
    sample: Callable[[jax.Array, int], jax.Array], batch_size: int, batches_per_epoch: int
) -> Source:
    """Returns a source that draws new samples for every batch.

    Args:
      sample: `(key, num) -> [num, …]`; the key is consumed.
      batch_size: B.
      batches_per_epoch: Number of batches that count as one epoch. Runs draw figures and save
        checkpoints after every epoch.

    Raises:
      ConfigError: If `batch_size` or `batches_per_epoch` is not an integer of at least 1.
    """
    check_integers(batch_size=batch_size, batches_per_epoch=batches_per_epoch)
    if batch_size < 1 or batches_per_epoch < 1:
        raise ConfigError(
            f"batch_size is {batch_size} and batches_per_epoch is {batches_per_epoch}, "
            "expected at least 1 for both; increase the smaller one"
        )

    def batch(arrays, order, key, index):
        del arrays, order, index
        return sample(key, batch_size), None

    return Source((), batches_per_epoch, lambda key, epoch: (), batch)


def default_repeats(num: int) -> int:
    """Returns the passes through `num` images per epoch: 60,000 / num rounded down, at least 1."""
    return max(1, EPOCH_IMAGES // num)


def from_pixels(pixels: ArrayT) -> ArrayT:
    """Maps uint8 pixels, 0 to 255, to float32 in [-1, 1], exactly at both ends.

    Args:
      pixels: A JAX or NumPy array of any shape.

    Returns:
      An array of the same kind and shape.

    Raises:
      DtypeError: If the pixels are not uint8.
    """
    if pixels.dtype != jnp.uint8:
        raise DtypeError(
            f"pixels are {pixels.dtype}, expected uint8, 0 to 255; values that are in [-1, 1] "
            "already need no conversion"
        )
    return pixels.astype(jnp.float32) / 127.5 - 1.0


def to_pixels(images: jax.typing.ArrayLike) -> np.ndarray:
    """Maps floating values in [-1, 1] to uint8 pixels, 0 to 255: the inverse of `from_pixels`.

    Values are rounded to the nearest integer; values outside [-1, 1] are clipped.

    Args:
      images: An array of any shape.

    Returns:
      An array of the same shape.

    Raises:
      DtypeError: If the values are integers.
    """
    images = np.asarray(images)
    if np.issubdtype(images.dtype, np.integer):
        raise DtypeError(
            f"images are {images.dtype}, expected floating values in [-1, 1]; pixels from 0 to 255 "
            "need no conversion but .astype(np.uint8)"
        )
    pixels = np.round((images.astype(np.float32) + 1.0) * 127.5)
    return np.clip(pixels, 0, 255).astype(np.uint8)


def check_images(images):
    """Raises DtypeError or ShapeError if images are not a uint8 array `[N, H, W, C]`."""
    check_array("images", images)
    if images.dtype != np.uint8:
        raise DtypeError(
            f"images are {images.dtype}, expected uint8 pixels, 0 to 255; "
            "convert values in [-1, 1] with jaxgan.data.to_pixels"
        )
    if images.ndim != 4:
        raise ShapeError(
            f"images have shape {list(images.shape)}, expected [N, H, W, C]; "
            "add an axis of length 1 to images without channels"
        )


def check_labels(labels, num):
    """Raises DtypeError or ShapeError if labels are neither None nor an array `[num, …]`."""
    if labels is None:
        return
    check_array("labels", labels)
    if not (jnp.issubdtype(labels.dtype, jnp.number) or labels.dtype == bool):
        raise DtypeError(
            f"labels are {labels.dtype}, expected numbers; number the classes with "
            "np.unique(labels, return_inverse=True)[1]"
        )
    if labels.shape[:1] != (num,):
        raise ShapeError(
            f"labels have shape {list(labels.shape)}, expected [{num}, …]; pass one label per image"
        )
