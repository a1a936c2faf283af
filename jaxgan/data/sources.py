"""Training data as a function of a key and a step, so that resuming replays it exactly."""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh

from jaxgan.errors import ConfigError, DtypeError, ShapeError

EPOCH_IMAGES = 60_000


class Source(NamedTuple):
    """Where batches come from.

    Attributes:
      arrays: a pytree that stays on the device, such as all images; `()` where batches are made up.
      batches_per_epoch: how many make an epoch.
      order: `(key, epoch) -> order`, computed once an epoch; the key is folded with the epoch.
      batch: `(arrays, order, key, index) -> (real [B, …], condition)`, the epoch's batch `index`; condition is None or
        `[B, …]`. The key is the batch's own, and consumed.
      stream: where the data do not stay on the device, what brings them there block by block, see `data.streams`;
        `arrays` then only has the shapes of what it brings for one batch.
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
    """Images in a new random order every epoch; those that do not fill the epoch's last batch are left out.

    Args:
      images: uint8 `[N, H, W, C]`.
      batch_size: B, at most N.
      labels: `[N]`, given as the condition; None for none.
      repeats: how often an epoch goes through all images. More than once keeps the epochs of small sets from being
        short.

    Raises:
      DtypeError: where images are not uint8.
      ShapeError: where images are not of rank 4, or labels are not one an image.
      ConfigError: where batch_size is not in 1..N or repeats is below 1.
    """
    check_images(images, labels)
    order, batches = epoch_order(len(images), batch_size, repeats)
    arrays = (jnp.asarray(images), None if labels is None else jnp.asarray(labels))

    def batch(arrays, order, key, index):
        del key
        pixels, labels = jax.tree.map(lambda a: a[order[index]], arrays)
        return from_pixels(pixels), labels

    return Source(arrays, batches, order, batch)


def epoch_order(
    num: int, batch_size: int, repeats: int = 1
) -> tuple[Callable[[jax.Array, jax.Array], jax.Array], int]:
    """The order of a `Source` of so many images, which gives int32 `[batches, B]`, and its number of batches.

    Raises what `image_source` does.
    """
    if not 1 <= batch_size <= num:
        raise ConfigError(f"batch_size is {batch_size}, expected 1 to {num}, the number of images")
    if repeats < 1:
        raise ConfigError(f"repeats is {repeats}, expected at least 1")
    batches = repeats * num // batch_size

    def order(key, epoch):
        keys = jax.random.split(jax.random.fold_in(key, epoch), repeats)
        rows = jax.vmap(lambda k: jax.random.permutation(k, num))(keys)
        return rows.reshape(-1)[: batches * batch_size].reshape(batches, batch_size)

    return order, batches


def synthetic_source(
    draw: Callable[[jax.Array, int], jax.Array], batch_size: int, batches: int
) -> Source:
    """Made-up samples without end, new ones in every batch.

    Args:
      draw: `(key, num) -> [num, …]`; the key is consumed.
      batch_size: B.
      batches: how many count as an epoch, after which a run draws and saves.

    Raises:
      ConfigError: where a number is below 1.
    """
    if batch_size < 1 or batches < 1:
        raise ConfigError(
            f"batch_size is {batch_size} and batches is {batches}, expected at least 1 of each"
        )

    def batch(arrays, order, key, index):
        del arrays, order, index
        return draw(key, batch_size), None

    return Source((), batches, lambda key, epoch: (), batch)


def default_repeats(num: int) -> int:
    """How often an epoch goes through so many images: once, or as often as 60,000 allow."""
    return max(1, EPOCH_IMAGES // num)


def from_pixels(pixels: jax.Array) -> jax.Array:
    """uint8 0..255 to float32 [-1, 1], exact at both ends."""
    return pixels.astype(jnp.float32) / 127.5 - 1.0


def to_pixels(images: jax.typing.ArrayLike) -> np.ndarray:
    """Floating [-1, 1] to uint8 0..255, the inverse of `from_pixels`; rounds to the nearest, clips what is outside."""
    return np.clip(np.round((np.asarray(images, np.float32) + 1.0) * 127.5), 0, 255).astype(
        np.uint8
    )


def check_images(images, labels=None):
    """Raises what `image_source` says."""
    if images.dtype != np.uint8:
        raise DtypeError(f"images are {images.dtype}, expected uint8 pixels, 0 to 255")
    if images.ndim != 4:
        raise ShapeError(f"images have shape {list(images.shape)}, expected [N, H, W, C]")
    if labels is not None and labels.shape != images.shape[:1]:
        raise ShapeError(
            f"labels have shape {list(labels.shape)}, expected [{len(images)}], one an image"
        )
