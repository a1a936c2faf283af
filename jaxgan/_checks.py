"""Checks of arguments; those of shapes and dtypes run at trace time and are free at run time."""

import inspect
from typing import Any

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxgan.errors import ConfigError, DtypeError, ShapeError


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
    check_key(key)
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
    check_condition(condition, len(real), "real sample")


def check_key(key: Any) -> None:
    """Raises DtypeError if `key` is not a single typed PRNG key."""
    dtype, shape = getattr(key, "dtype", type(key).__name__), list(getattr(key, "shape", ()))
    if not (hasattr(key, "dtype") and jnp.issubdtype(key.dtype, jax.dtypes.prng_key)):
        raise DtypeError(
            f"key is {dtype}{shape}, expected a typed key; make it with jax.random.key(seed)"
        )
    if shape:
        raise DtypeError(f"key has shape {shape}, expected a single key; index it or use vmap")


def check_condition(condition: Any, num: int, counted: str) -> None:
    """Raises ShapeError if a condition is neither None nor `[num, …]`.

    Args:
      condition: None or an array.
      num: How many conditions are expected.
      counted: Noun for what each condition belongs to, such as "sample", for the message.
    """
    if condition is not None and jnp.shape(condition)[:1] != (num,):
        raise ShapeError(
            f"condition has shape {list(jnp.shape(condition))}, expected [{num}, …]; pass one "
            f"condition per {counted}"
        )


def check_takes_condition(module: nn.Module, condition: Any) -> None:
    """Raises ShapeError if a condition is given to a network that takes none, or is missing.

    The network takes a condition if `__call__` has a second positional parameter. Nothing is
    checked if it has `*args`.
    """
    parameters = list(inspect.signature(type(module).__call__).parameters.values())[1:]
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD)]
    name = type(module).__name__
    if condition is not None and len(positional) < 2:
        raise ShapeError(
            f"a condition is given, but the network {name} takes none; leave it out, or define "
            f"{name}.__call__ as (self, x, condition, *, train)"
        )
    required = [p for p in positional if p.default is p.empty]
    if condition is None and len(required) > 1:
        raise ShapeError(
            f"the network {name} takes a condition, but none is given; pass condition=…, or labels "
            "with the data"
        )


def check_train_argument(module: nn.Module) -> None:
    """Raises ConfigError if a network cannot be called with `train=…`."""
    parameters = inspect.signature(type(module).__call__).parameters
    if "train" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return
    name = type(module).__name__
    raise ConfigError(
        f"the network {name} takes no argument `train`; define {name}.__call__ as "
        "(self, x, *, train), even if it does not use it"
    )


def check_scalar(name: str, value: Any) -> None:
    """Raises ShapeError if a loss or a penalty is not a scalar."""
    if jnp.shape(value) != ():
        raise ShapeError(
            f"{name} has shape {list(jnp.shape(value))}, expected a scalar; take the mean over the "
            "batch"
        )


def check_number(name: str, value: Any, lower: float, *, below: float | None = None) -> None:
    """Raises ConfigError if a Python number is out of its range; arrays and tracers pass.

    Args:
      name: Name of the argument, for the message.
      value: The argument.
      lower: Its smallest allowed value.
      below: If given, the value must be less than this.
    """
    if not isinstance(value, int | float):
        return
    if not value >= lower or (below is not None and not value < below):
        limit = "" if below is None else f" and below {below:g}"
        raise ConfigError(f"{name} is {value}, expected at least {lower:g}{limit}")


def check_generator_output(fake: Any, real: Any) -> None:
    """Raises ShapeError if the generator's output does not have the shape of the data."""
    if fake.shape != real.shape:
        raise ShapeError(
            f"the generator makes {list(fake.shape[1:])}, the data has {list(real.shape[1:])}; "
            "build the generator with the shape of the data"
        )
