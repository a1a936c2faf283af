"""Checks of arguments; those of shapes and dtypes run at trace time and are free at run time."""

import inspect
import numbers
import reprlib
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
    """Checks the arguments of a step or of `init`.

    Args:
      key: A typed PRNG key.
      real: `[B, …]`, floating point, B at least 1.
      condition: None or `[B, …]`.

    Raises:
      DtypeError: If `key` is not a typed key or `real` is not floating point.
      ShapeError: If `real` has no samples or `condition` has a different batch size.
    """
    check_key(key)
    check_array("real", real)
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


def check_array(name: str, value: Any) -> None:
    """Raises DtypeError if a value is a list or another object that is not an array."""
    if not hasattr(value, "dtype"):
        raise DtypeError(
            f"{name} is a {type(value).__name__}, expected one array, such as jnp.asarray returns"
        )


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
    """Raises ShapeError or DtypeError if a condition is neither None nor an array `[num, …]`.

    Args:
      condition: None or an array.
      num: How many conditions are expected.
      counted: Noun for what each condition belongs to, such as "sample", for the message.
    """
    if condition is None:
        return
    check_array("condition", condition)
    if jnp.shape(condition)[:1] != (num,):
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


def check_network(name: str, module: Any) -> None:
    """Raises ConfigError if a network is not a Linen module, or takes no argument `train`."""
    if not isinstance(module, nn.Module):
        raise ConfigError(
            f"the {name} is {short_name(module)}, expected a Linen module, such as "
            "models.MLPGenerator(), with parentheses; convert a module of Flax NNX with "
            "flax.nnx.bridge.to_linen"
        )
    parameters = inspect.signature(type(module).__call__).parameters
    if "train" in parameters or any(p.kind is p.VAR_KEYWORD for p in parameters.values()):
        return
    name = type(module).__name__
    raise ConfigError(
        f"the network {name} takes no argument `train`; define {name}.__call__ as "
        "(self, x, *, train), even if it does not use it"
    )


def check_optimizer(name: str, tx: Any) -> None:
    """Raises ConfigError if an argument is not an optax gradient transformation."""
    if not (hasattr(tx, "init") and hasattr(tx, "update")):
        raise ConfigError(
            f"{name} is {short_name(tx)}, expected an optax optimizer, such as "
            "optimizers.adam(3e-4)"
        )


def check_instance(name: str, value: Any, kind: type) -> None:
    """Raises ConfigError if an argument is not an instance of a class."""
    if not isinstance(value, kind):
        raise ConfigError(f"{name} is a {type(value).__name__}, expected a {kind.__name__}")


def check_callable(name: str, function: Any, *arguments: str) -> None:
    """Raises ConfigError if a function cannot be called with these positional arguments."""
    try:
        inspect.signature(function).bind(*arguments)
    except TypeError as error:
        raise ConfigError(
            f"{name} is {short_name(function)}, expected a function of ({', '.join(arguments)}), "
            f"which it is not: {error}; if it builds such a function, call it first"
        ) from error
    except ValueError:  # a built-in function without a signature
        return


def short_name(value: Any) -> str:
    """Returns the name of a function or class, or else a short representation of a value."""
    return getattr(value, "__name__", None) or reprlib.repr(value)


def check_integers(**values: Any) -> None:
    """Raises ConfigError if a value is not an integer; the message gives its keyword."""
    for name, value in values.items():
        if not isinstance(value, numbers.Integral):
            raise ConfigError(f"{name} is {value!r}, expected an integer")


def check_scalar(name: str, value: Any) -> None:
    """Raises ShapeError or DtypeError if a loss or a penalty is not a real scalar."""
    if isinstance(value, int | float):
        return
    check_array(name, value)
    if jnp.shape(value) != ():
        raise ShapeError(
            f"{name} has shape {list(jnp.shape(value))}, expected a scalar; take the mean over the "
            "batch"
        )
    check_floating(**{name: value})


def check_number(
    name: str,
    value: Any,
    lower: float,
    *,
    below: float | None = None,
    open_lower: bool = False,
) -> None:
    """Raises ConfigError if a number is out of its range; arrays and tracers pass.

    Args:
      name: Name of the argument, for the message.
      value: The argument.
      lower: Its smallest allowed value.
      below: If given, the value must be less than this.
      open_lower: Whether the value must be more than `lower`.
    """
    if not isinstance(value, numbers.Real):
        return
    number = float(value)
    above = number > lower if open_lower else number >= lower
    if not above or (below is not None and not number < below):
        limit = "" if below is None else f" and below {below:g}"
        bound = "more than" if open_lower else "at least"
        raise ConfigError(f"{name} is {value}, expected {bound} {lower:g}{limit}")


def check_generator_output(fake: Any, real: Any) -> None:
    """Raises ShapeError or DtypeError if the generator's output does not fit the data."""
    check_array("the generator's output", fake)
    check_floating(**{"the generator's output": fake})
    if fake.shape[1:] != real.shape[1:]:
        raise ShapeError(
            f"the generator makes {list(fake.shape[1:])}, the data has {list(real.shape[1:])}; "
            "build the generator with the shape of the data"
        )
    if len(fake) != len(real):
        raise ShapeError(
            f"the generator makes {len(fake)} samples in a batch of {len(real)}, expected one per "
            "latent vector; check how it reshapes its output, and the prior"
        )


def check_augmented(augmented: Any, samples: Any) -> None:
    """Raises ShapeError or DtypeError if the output of an augmentation does not fit its input."""
    check_array("the output of augment", augmented)
    check_floating(**{"the output of augment": augmented})
    if augmented.shape != samples.shape:
        raise ShapeError(
            f"augment returns {list(augmented.shape)} for samples {list(samples.shape)}, expected "
            "the same shape; crop or pad within the function"
        )
