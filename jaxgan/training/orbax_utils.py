"""Helpers for Orbax: no logged tracebacks, short error messages, shardings for restoring."""

import contextlib
import logging
from collections.abc import Iterator
from typing import Any

import jax
from jax.sharding import SingleDeviceSharding


@contextlib.contextmanager
def silence_absl() -> Iterator[None]:
    """Suppresses the tracebacks that Orbax logs for errors that it also raises."""
    logger = logging.getLogger("absl")
    level = logger.level
    logger.setLevel(logging.CRITICAL)
    try:
        yield
    finally:
        logger.setLevel(level)


def summarize_error(error: Exception) -> str:
    """Returns the first line of an error's message, or its type if it has none.

    A long line is shortened in the middle, because Orbax states the cause at the end.
    """
    line = (str(error) or type(error).__name__).partition("\n")[0]
    return line if len(line) <= 200 else f"{line[:100]} … {line[-100:]}"


def with_sharding(x: Any) -> jax.ShapeDtypeStruct:
    """Returns the shape, dtype and sharding of `x`, by default the first local device."""
    sharding = getattr(x, "sharding", None) or SingleDeviceSharding(jax.local_devices()[0])
    return jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding)
