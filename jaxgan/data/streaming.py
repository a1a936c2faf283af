"""Images that are read while a run trains: for sets that do not fit into memory. The only file that knows Grain."""

from collections.abc import Callable, Iterator
from functools import lru_cache

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import NamedSharding, PartitionSpec

from jaxgan.data.sources import Source, check_images, epoch_order, from_pixels

THREADS = 4
PREFETCH_BATCHES = 32


def streaming_source(
    read: Callable[[np.ndarray], np.ndarray], num: int, batch_size: int, *, repeats: int = 1
) -> Source:
    """The batches of `image_source` without labels, bit for bit, but read as they are needed, a little ahead.

    Where a run is in its data follows from the train step, as everything does, so that it goes on with the batch it
    would have taken. Of several processes each reads rows of its own. Only the order of an epoch is in memory as a
    whole, eight bytes an image.

    Args:
      read: `rows [n] -> uint8 [n, H, W, C]`, the images of those numbers, each from 0 to `num` - 1; called from several
        threads. `images.__getitem__` of a memory-mapped array will do.
      num: N, how many images there are.
      batch_size: see `image_source`.
      repeats: see `image_source`.

    Raises:
      DtypeError, ShapeError, ConfigError: as `image_source` does.
    """
    order, batches = epoch_order(num, batch_size, repeats)
    example = read(np.arange(1))
    check_images(example)
    shape = example.shape[1:]

    def stream(key, blocks, d_steps, mesh):
        slots = d_steps * max((count for *_, count in blocks), default=1)
        in_epoch = (
            batches // d_steps * d_steps
        )  # those that are too few for a train step are left out
        first = blocks[0][0] * in_epoch + blocks[0][1] * d_steps if blocks else 0
        numbers = range(first, first + d_steps * sum(count for *_, count in blocks))
        place = NamedSharding(mesh, PartitionSpec(None, *mesh.axis_names))
        share = batch_size // jax.process_count()
        own = slice(jax.process_index() * share, (jax.process_index() + 1) * share)
        compiled = jax.jit(order)
        order_of = lru_cache(2)(
            lambda epoch: np.asarray(compiled(jax.random.clone(key), jnp.int32(epoch)))
        )

        def rows(number):
            epoch, index = divmod(number, in_epoch)
            return read(order_of(epoch)[index, own])

        images = prefetch(numbers, rows)
        for _, index, count in blocks:
            block = np.zeros((slots, share, *shape), np.uint8)
            for i in range(index * d_steps, (index + count) * d_steps):
                block[i % slots] = next(images)
            yield jax.make_array_from_process_local_data(place, block)

    def batch(arrays, order, key, index):
        del order, key
        return from_pixels(arrays[index % len(arrays)]), None

    like = jax.ShapeDtypeStruct((1, batch_size, *shape), jnp.uint8)
    return Source(like, batches, lambda key, epoch: (), batch, stream)


def prefetch(numbers: range, read: Callable[[int], np.ndarray]) -> Iterator[np.ndarray]:
    """What `read` makes of the numbers, in their order, by threads that read ahead."""
    import grain  # only here: what stays in memory needs none of it

    wanted = grain.MapDataset.range(numbers.start, numbers.stop).map(read)
    return iter(
        wanted.to_iter_dataset(
            grain.ReadOptions(num_threads=THREADS, prefetch_buffer_size=PREFETCH_BATCHES)
        )
    )
