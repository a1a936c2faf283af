"""Fingerprints of a GAN and a source, which detect changes when a run is resumed."""

import hashlib
import re
from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from jaxgan.data.sources import Source
from jaxgan.distributed.sharding import to_host_local
from jaxgan.gan import GAN
from jaxgan.training.rng import make_rng_streams

ADDRESS = re.compile(r"0x[0-9a-f]+")


def fingerprint_gan(gan: GAN, batch: tuple[Any, Any]) -> str:
    """Returns a checksum of the train step, which detects changes of the GAN.

    The checksum is that of the jaxpr of `gan.step`, so it covers the networks, loss, penalty,
    augmentation, optimizers, schedules, moving average and prior, and every number that is a
    constant of the program. It covers neither the values of arrays that the functions close over
    nor the initialization of the parameters.

    Args:
      gan: The GAN.
      batch: `(real, condition)`, arrays with the shapes and dtypes of a batch.
    """
    key = jax.random.key(0)
    state = jax.eval_shape(gan.init, key, *batch)
    return fingerprint_function(gan.step, state, batch[0], key, batch[1])


def fingerprint_source(source: Source) -> dict[str, Any]:
    """Returns the batches per epoch, and checksums of a source's functions and arrays.

    The content of a streaming source is not covered, since it is not in memory.
    """
    streams = jax.eval_shape(make_rng_streams, 0)
    order = jax.eval_shape(source.order, streams.shuffle, 0)
    functions = [
        fingerprint_function(source.order, streams.shuffle, 0),
        fingerprint_function(source.batch, source.arrays, order, streams.batch, 0),
    ]
    streamed = source.stream is not None
    return {
        "batches_per_epoch": source.batches_per_epoch,
        "functions": functions,
        "arrays": None if streamed else checksum_arrays(source.arrays),
    }


def fingerprint_function(function: Callable, *args: Any) -> str:
    """Returns the checksum of a function's jaxpr for arguments of these shapes and dtypes."""
    text = ADDRESS.sub("", str(jax.make_jaxpr(function)(*args)))
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def checksum_arrays(tree: Any) -> str:
    """Returns a BLAKE2b checksum of the bytes, shapes and dtypes of a pytree's arrays."""
    digest = hashlib.blake2b(digest_size=16)
    for x in jax.tree.leaves(to_host_local(tree)):
        array = np.asarray(x)
        digest.update(f"{array.dtype}{array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
