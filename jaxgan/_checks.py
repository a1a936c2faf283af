"""Checks of array shapes and dtypes. They run at trace time, so they cost nothing at run time."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxgan.errors import DtypeError, ShapeError


def check_floating(**arrays: Any) -> None:
    """Raises DtypeError if an array is not floating point; the message gives its keyword.

    Without this check JAX would cast integer arrays silently.
    """
    for name, array in arrays.items():
        if not jnp.issubdtype(array.dtype, jnp.floating):
            raise DtypeError(
                f"{name} is {array.dtype}, expected floating point; "
                "convert it with .astype(jnp.float32)"
            )


def check_step_args(key: Any, real: Any, condition: Any) -> None:
    """Checks the arguments of a training step or of `init`.

    Args:
      key: A typed PRNG key.
      real: `[B, …]`, floating point, B at least 1.
      condition: None or `[B, …]`.

    Raises:
      DtypeError: If `key` is not a typed key or `real` is not floating point.
      ShapeError: If `real` has no samples or `condition` has a different batch size.
    """
    if not jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        raise DtypeError(
            f"key is {key.dtype}{list(key.shape)}, expected a typed key; "
            "make it with jax.random.key(seed)"
        )
    if not real.ndim or not len(real):
        raise ShapeError(
            f"real has shape {list(real.shape)}, expected [B, …] with B at least 1; "
            "pass a batch with at least one sample"
        )
    if not jnp.issubdtype(real.dtype, jnp.floating):
        raise DtypeError(
            f"real is {real.dtype}, expected floating point in the range of the generator's "
            "output; scale pixels to [-1, 1] first"
        )
    if condition is not None and condition.shape[:1] != real.shape[:1]:
        raise ShapeError(
            f"condition has shape {list(condition.shape)}, expected [{len(real)}, …] to match "
            f"real, {list(real.shape)}; pass one condition per real sample"
        )


def check_generator_output(fake: Any, real: Any) -> None:
    """Raises ShapeError if the generator's output does not have the shape of the data."""
    if fake.shape != real.shape:
        raise ShapeError(
            f"the generator makes {list(fake.shape[1:])}, the data has {list(real.shape[1:])}; "
            "build the generator with the shape of the data"
        )
