"""What is refused of arrays when a function is traced, so that checking costs nothing at run time."""

from typing import Any

import jax
import jax.numpy as jnp

from jaxgan.errors import DtypeError, ShapeError


def check_floating(**arrays: Any) -> None:
    """Raises DtypeError, by name, where an array's numbers are not floating: what else would be cast silently."""
    for name, array in arrays.items():
        if not jnp.issubdtype(array.dtype, jnp.floating):
            raise DtypeError(
                f"{name} is {array.dtype}, expected floating numbers; convert it with .astype(jnp.float32)"
            )


def check_step_args(key, real, condition):
    """Refuses what would otherwise be cast, broadcast or half understood."""
    if not jnp.issubdtype(key.dtype, jax.dtypes.prng_key):
        raise DtypeError(
            f"key is {key.dtype}{list(key.shape)}, expected a typed key; make it with jax.random.key(seed)"
        )
    if not real.ndim or not len(real):
        raise ShapeError(f"real has shape {list(real.shape)}, expected [B, …], B at least 1")
    if not jnp.issubdtype(real.dtype, jnp.floating):
        raise DtypeError(
            f"real is {real.dtype}, expected floating values in the range of G's output; scale pixels to [-1, 1] first"
        )
    if condition is not None and condition.shape[:1] != real.shape[:1]:
        raise ShapeError(
            f"condition has shape {list(condition.shape)}, expected [{len(real)}, …] like real, {list(real.shape)}"
        )


def check_generator_output(fake, real):
    """Raises ShapeError where the generator's output is not like the data."""
    if fake.shape != real.shape:
        raise ShapeError(
            f"the generator makes {list(fake.shape[1:])}, the data has {list(real.shape[1:])}; give it that shape"
        )
