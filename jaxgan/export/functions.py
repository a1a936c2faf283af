"""Functions of a generator, exported with `jax.export` for CPUs, GPUs (CUDA) and TPUs."""

import importlib.util
from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp

from jaxgan.data.classes import draw_condition
from jaxgan.errors import ConfigError
from jaxgan.runs.loading import Run

PLATFORMS = ("cpu", "cuda", "tpu")
BATCH = "batch"  # the symbolic batch size


class ExportedFunction(NamedTuple):
    """A function that was lowered for every platform and serialized by `jax.export`.

    Attributes:
      serialized: The serialized function, for `jax.export.deserialize`.
      record: Names, shapes and dtypes of the inputs and of the output, for JSON. A symbolic batch
        size is `"batch"`.
    """

    serialized: bytes
    record: dict[str, Any]


def export_generate(run: Run) -> ExportedFunction:
    """Exports `z -> samples`, or `(z, condition) -> samples`, for batches of any size.

    The generator is that of `Run.sample`: its moving average if the run keeps one.

    Raises:
      ConfigError: If the generator cannot be exported.
    """
    (batch,) = jax.export.symbolic_shape(BATCH)
    z = jax.eval_shape(lambda key: run.gan.prior(key, 1), jax.random.key(0))
    inputs = {"z": jax.ShapeDtypeStruct((batch, *z.shape[1:]), z.dtype)}
    if (condition := run.config["train"]["batch"]["condition"]) is not None:
        name = "condition" if run.class_names is None else "class"
        shape = (batch, *condition["shape"][1:])
        inputs[name] = jax.ShapeDtypeStruct(shape, condition["dtype"])
    variables = generator_variables(run)
    return export_function(lambda *inputs: run.gan.generate(variables, *inputs), inputs)


def export_sample(run: Run, num: int) -> ExportedFunction | None:
    """Exports `key -> samples`, which draws the same samples as `run.sample(key, num)`.

    Returns:
      The function, or None if the GAN has conditions whose distribution is unknown.

    Raises:
      ConfigError: If the prior or the generator cannot be exported.
    """
    class_counts = run.config.get("data", {}).get("class_counts")
    if run.config["train"]["batch"]["condition"] is not None and class_counts is None:
        return None
    variables = generator_variables(run)

    def sample(key):
        key, condition = draw_condition(key, class_counts, num)
        return run.gan.generate(variables, run.gan.prior(key, num), condition)

    return export_function(sample, {"key": jax.eval_shape(lambda: jax.random.key(0))})


def generator_variables(run: Run) -> Any:
    """Returns the variables of the generator's moving average, or of the generator itself."""
    return run.state.g.variables if run.state.g_ema is None else run.state.g_ema


def export_function(
    function: Callable[..., jax.Array], inputs: dict[str, jax.ShapeDtypeStruct]
) -> ExportedFunction:
    """Exports a function from arrays to one array, which is cast to float32.

    Args:
      function: The function, with positional arguments.
      inputs: Shape and dtype of each argument, in order, by its name. Dimensions may be symbolic.

    Raises:
      ConfigError: If flatbuffers is missing, or the function cannot be traced for these inputs or
        cannot be serialized.
    """
    check_flatbuffers()
    function_jit = jax.jit(lambda *inputs: jnp.asarray(function(*inputs), jnp.float32))
    try:
        exported = jax.export.export(function_jit, platforms=PLATFORMS)(*inputs.values())
        serialized = bytes(exported.serialize())
    except Exception as error:  # the code of a network may raise any exception
        shapes = ", ".join(f"{name} {list(x.shape)}" for name, x in inputs.items())
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ConfigError(
            f"the generator cannot be exported as a function of {shapes}: {reason}. The batch size "
            "is symbolic: use x.shape[0] instead of len(x), and no Python branches on it. Python "
            "callbacks, such as jax.pure_callback, cannot be exported"
        ) from error
    (output,) = exported.out_avals
    return ExportedFunction(
        serialized,
        {
            "inputs": [{"name": name} | describe_array(x) for name, x in inputs.items()],
            "output": describe_array(output),
        },
    )


def describe_array(array: Any) -> dict[str, Any]:
    """Returns the shape and the dtype of an array, for JSON."""
    shape = [size if isinstance(size, int) else str(size) for size in array.shape]
    return {"shape": shape, "dtype": str(array.dtype)}


def check_flatbuffers() -> None:
    """Raises ConfigError if flatbuffers, which JAX needs to serialize programs, is missing."""
    if importlib.util.find_spec("flatbuffers") is None:
        raise ConfigError(
            "an export needs the package flatbuffers; install it with: pip install 'jaxgan[run]'"
        )
