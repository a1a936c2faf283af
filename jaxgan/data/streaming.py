"""Streaming of images during training, for data sets that do not fit into memory.

This is the only module that imports Grain.
"""

from collections.abc import Callable, Iterator
from functools import lru_cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from jaxgan.data.sources import Source, check_images, check_labels, epoch_order, from_pixels
from jaxgan.errors import ShapeError

READ_THREADS = 4
PREFETCH_BATCHES = 32


def streaming_source(
    read: Callable[[np.ndarray], np.ndarray],
    num: int,
    batch_size: int,
    *,
    labels: np.ndarray | None = None,
    repeats: int = 1,
) -> Source:
    """Returns a source that reads images when they are needed, with prefetching.

    The batches are those of `array_source`, bit for bit. The position in the data follows from the
    train step, so a resumed run continues with the next batch. Each process of a multi-process run
    reads only its own rows of a batch. Only the order of an epoch, 8 bytes per image, and the
    labels are held in memory as a whole.

    The first and the last image are read immediately, so that an unsuitable `read` raises an error
    before training.

    Args:
      read: `indices [n] -> uint8 [n, H, W, C]`, which reads the images with these indices, each
        from 0 to `num` - 1. It is called from several threads. For a memory-mapped array,
        `images.__getitem__` suffices.
      num: N, the number of images.
      batch_size: B, at most N.
      labels: `[N, …]`, see `array_source`.
      repeats: Number of times that an epoch goes through all images.

    Raises:
      DtypeError: If `read` does not return uint8, or `labels` is not an array of numbers.
      ShapeError: If `read` does not return an array of rank 4, with one image per index, all of one
        shape, or `labels` is not `[N, …]`.
      ConfigError: If `batch_size` is not an integer in 1..N, or `repeats` not one of at least 1.
    """
    order, batches_per_epoch = epoch_order(num, batch_size, repeats)
    example = read(np.array([0, num - 1]))
    check_images(example)
    image_shape = example.shape[1:]
    check_read(example, (2, *image_shape))
    check_labels(labels, num)
    # The arrays of a block: pixels, and labels if there are any.
    batch_spec = (jax.ShapeDtypeStruct((1, batch_size, *image_shape), jnp.uint8),)
    if labels is not None:
        labels = np.asarray(labels, jax.dtypes.canonicalize_dtype(labels.dtype))
        batch_spec += (jax.ShapeDtypeStruct((1, batch_size, *labels.shape[1:]), labels.dtype),)

    def stream(key, blocks, d_steps, mesh):
        # All blocks have the shape of the longest, so that one compiled program takes them all.
        batches_per_block = d_steps * max((count for *_, count in blocks), default=1)
        # The last batches of an epoch are dropped if they are too few for a train step.
        used_per_epoch = batches_per_epoch // d_steps * d_steps
        # Batches are numbered through all epochs. The blocks are consecutive.
        start = blocks[0][0] * used_per_epoch + blocks[0][1] * d_steps if blocks else 0
        batch_numbers = range(start, start + d_steps * sum(count for *_, count in blocks))
        sharding = NamedSharding(mesh, PartitionSpec(None, *mesh.axis_names))
        local_batch_size = batch_size // jax.process_count()
        first_row = jax.process_index() * local_batch_size
        local_rows = slice(first_row, first_row + local_batch_size)
        compiled_order = jax.jit(order)

        # Near the end of an epoch, prefetching needs the orders of two epochs. The key is cloned,
        # because `order` consumes it once per epoch.
        @lru_cache(2)
        def order_of(epoch):
            return np.asarray(compiled_order(jax.random.clone(key), jnp.int32(epoch)))

        def read_batch(batch_number):
            epoch, index = divmod(batch_number, used_per_epoch)
            rows = order_of(epoch)[index, local_rows]
            images = read(rows)
            check_images(images)
            check_read(images, (local_batch_size, *image_shape))
            return (images,) if labels is None else (images, labels[rows])

        batches = prefetch(batch_numbers, read_batch)
        for _, index, count in blocks:
            block = jax.tree.map(
                lambda x: np.zeros((batches_per_block, local_batch_size, *x.shape[2:]), x.dtype),
                batch_spec,
            )
            # `batch` looks up batch i of the epoch at i % batches_per_block.
            for i in range(index * d_steps, (index + count) * d_steps):
                for rows, row in zip(block, next(batches), strict=True):
                    rows[i % batches_per_block] = row
            yield tuple(jax.make_array_from_process_local_data(sharding, rows) for rows in block)

    def batch(arrays, order, key, index):
        del order, key
        pixels, *condition = (rows[index % len(rows)] for rows in arrays)
        return from_pixels(pixels), condition[0] if condition else None

    return Source(batch_spec, batches_per_epoch, lambda key, epoch: (), batch, stream)


def check_read(images: np.ndarray, shape: tuple[int, ...]) -> None:
    """Raises ShapeError if `read` returned another shape, which NumPy might broadcast."""
    if images.shape != shape:
        raise ShapeError(
            f"read returned images of shape {list(images.shape)} for {shape[0]} indices, expected "
            f"{list(shape)}; return one image per index, all of one shape"
        )


def prefetch(numbers: range, read: Callable[[int], Any]) -> Iterator[Any]:
    """Yields `read(number)` for each number in order, read ahead by several threads."""
    import grain  # Imported here, because sources in memory do not need it.

    dataset = grain.MapDataset.range(numbers.start, numbers.stop).map(read)
    options = grain.ReadOptions(num_threads=READ_THREADS, prefetch_buffer_size=PREFETCH_BATCHES)
    return iter(dataset.to_iter_dataset(options))
