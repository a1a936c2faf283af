"""Writes the generator of a run to a directory of files that need only JAX to load."""

import io
import os
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan._checks import check_instance, check_integers
from jaxgan._io import write_atomic, write_json
from jaxgan.errors import ConfigError
from jaxgan.export.functions import (
    BATCH,
    PLATFORMS,
    ExportedFunction,
    export_generate,
    export_sample,
    generator_variables,
)
from jaxgan.export.readme import format_readme
from jaxgan.priors import Prior
from jaxgan.runs.loading import Run
from jaxgan.states import at_least_float32
from jaxgan.training.config_file import package_versions, run_title

RECORD_NAME = "export.json"
GENERATE_NAME, SAMPLE_NAME = "generate.jax_export", "sample.jax_export"
WEIGHTS_NAME, README_NAME = "weights.npz", "README.md"
NUM_COMPARED = 4  # samples


def export_run(
    run: Run,
    out: str | os.PathLike[str],
    *,
    num: int = 64,
    scores: dict[str, Any] | None = None,
) -> dict[str, Any]:
    """Writes the generator of a run as files that need only JAX to load.

    The generator is that of `Run.sample`: its moving average if the run keeps one. The functions
    contain the weights, return float32, and run on CPUs, on GPUs with CUDA, and on TPUs:

    * `generate.jax_export`: `z [B, dim] -> samples [B, …]` for any B, or `(z, class) -> samples`
      with class indices `[B]` if the GAN is conditional.
    * `sample.jax_export`: `key -> samples [num, …]`, the same as `run.sample(key, num)`. Left out
      if the GAN has conditions other than the classes of a run with --conditional.
    * `weights.npz`: the variables of the generator by name, such as `params/Dense_0/kernel`.
    * `export.json`: shapes, dtypes, range, classes, data, scores and versions.
    * `README.md`: the code that loads the functions.

    A release of JAX loads the exports of releases that are up to six months older. Keep the run, to
    export it again with a newer JAX.

    Args:
      run: The run, such as `load_run` returns.
      out: Directory to write. An earlier export there is replaced.
      num: Number of samples of `sample.jax_export`, at least 1.
      scores: Scores of the generator, recorded in export.json; JSON-serializable. None for none.

    Returns:
      The content of export.json.

    Raises:
      ConfigError: If the generator cannot be exported, its weights are not finite, `num` is not an
        integer of at least 1, or `out` is a file or contains files other than an export. Nothing is
        written in these cases.
    """
    check_instance("run", run, Run)
    check_integers(num=num)
    if num < 1:
        raise ConfigError(f"num is {num}, expected at least 1 sample")
    out = Path(out)
    check_out(out)
    weights = named_weights(generator_variables(run))
    check_finite(weights, run.step)
    functions = {GENERATE_NAME: export_generate(run)}
    if (sample := export_sample(run, num)) is not None:
        functions[SAMPLE_NAME] = sample
    record = describe_export(run, functions, weights, scores)
    for name in (GENERATE_NAME, SAMPLE_NAME):
        if name in functions:
            write_atomic(out / name, functions[name].serialized)
        else:
            (out / name).unlink(missing_ok=True)
    buffer = io.BytesIO()
    np.savez(buffer, allow_pickle=False, **weights)
    write_atomic(out / WEIGHTS_NAME, buffer.getvalue())
    write_json(out / RECORD_NAME, record, ensure_ascii=False)
    write_atomic(out / README_NAME, format_readme(record, out.absolute().name).encode())
    return record


def check_out(out: Path) -> None:
    """Raises ConfigError if `out` is a file, or a directory with files other than an export."""
    if out.exists() and not out.is_dir():
        raise ConfigError(f"out is {out}, which is a file, expected a directory; name another one")
    names = sorted(path.name for path in out.iterdir()) if out.is_dir() else []
    if names and RECORD_NAME not in names:
        raise ConfigError(
            f"out is {out}, which contains other files ({', '.join(names[:3])}), expected an empty "
            "directory or an earlier export; name another directory"
        )


def check_finite(weights: Mapping[str, np.ndarray], step: int) -> None:
    """Raises ConfigError if weights are not finite."""
    wrong = [name for name, array in weights.items() if not jnp.isfinite(array).all()]
    if wrong:
        raise ConfigError(
            f"{wrong[0]} of the generator at step {step:,} is not finite; export another checkpoint"
        )


def named_weights(variables: Any) -> dict[str, np.ndarray]:
    """Returns the arrays of a pytree by their paths, such as `params/Dense_0/kernel`.

    16-bit floating-point arrays are cast to float32, because NumPy cannot store bfloat16.
    """
    leaves = jax.tree_util.tree_leaves_with_path(at_least_float32(variables))
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): np.asarray(leaf)
        for path, leaf in leaves
    }


def describe_export(
    run: Run,
    functions: dict[str, ExportedFunction],
    weights: dict[str, np.ndarray],
    scores: dict[str, Any] | None,
) -> dict[str, Any]:
    """Returns the content of export.json."""
    names = None if run.class_names is None else list(run.class_names)
    # The path of a data set is left out, because it is specific to this machine.
    data = {k: v for k, v in run.config.get("data", {}).items() if k not in ("path", "class_names")}
    sample_shape = functions[GENERATE_NAME].record["output"]["shape"][1:]
    return {
        "title": run_title(run.config),
        "step": run.step,
        "moving_average": run.state.g_ema is not None,
        "platforms": list(PLATFORMS),
        "functions": {name: function.record for name, function in functions.items()},
        "prior": name_prior(run.gan.prior),
        "range": [-1.0, 1.0] if len(sample_shape) == 3 else None,
        "classes": names,
        "data": data or None,
        "scores": scores,
        "difference": max_difference(run, functions[GENERATE_NAME]),
        "versions": package_versions() | {"jaxlib": version("jaxlib")},
        "weights": {name: list(array.shape) for name, array in weights.items()},
    }


def name_prior(prior: Prior) -> str:
    """Returns the name of a prior with its module, such as `jaxgan.priors.uniform`."""
    name = getattr(prior, "__qualname__", type(prior).__qualname__)
    return f"{prior.__module__}.{name.partition('.<locals>')[0]}"


def max_difference(run: Run, function: ExportedFunction) -> float:
    """Returns the largest absolute difference between samples of the export and of the run."""
    generate = jax.export.deserialize(bytearray(function.serialized)).call
    inputs = [run.gan.prior(jax.random.key(0), NUM_COMPARED)]
    inputs += [
        jnp.zeros(
            [NUM_COMPARED if size == BATCH else size for size in each["shape"]], each["dtype"]
        )
        for each in function.record["inputs"][1:]
    ]
    expected = run.gan.generate(generator_variables(run), *inputs)
    return float(jnp.max(jnp.abs(generate(*inputs) - expected)))
