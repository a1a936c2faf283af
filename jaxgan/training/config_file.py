"""config.json of a workdir: what the run was started with. One file, a section for each writer.

`train` writes the sections "train" (its options, and shape and dtype of a batch) and "versions";
an experiment adds "experiment", "config" and "data" (see `jaxgan.runs.run_dir`).
"""

import dataclasses
import importlib
import json
import os
from pathlib import Path
from typing import Any

import jax

from jaxgan._io import write_atomic
from jaxgan.errors import ConfigError
from jaxgan.training.options import TrainOptions

PACKAGES = ("jaxgan", "jax", "flax", "optax")


def read_config(workdir: str | os.PathLike) -> dict[str, Any] | None:
    """Returns the content of config.json, or None if there is no such file.

    Raises:
      ConfigError: If it is damaged, or was written by a release that cannot be read any more.
    """
    path = Path(workdir) / "config.json"
    if not path.exists():
        return None
    try:
        config = json.loads(path.read_text())
        release = config["versions"]["jaxgan"]
    except (ValueError, TypeError, KeyError) as error:
        raise ConfigError(
            f"{path} is damaged ({error!r}); repair it, or start anew with --overwrite"
        ) from error
    if str(release).startswith("0.1."):
        raise ConfigError(
            f"{workdir} holds a run of jaxgan {release}, which this release cannot read; use "
            "another workdir, or start anew with --overwrite"
        )
    return config


def write_config(workdir: str | os.PathLike, config: dict[str, Any]) -> None:
    """Writes config.json atomically."""
    write_atomic(Path(workdir) / "config.json", format_config(config).encode())


def format_config(config: dict[str, Any]) -> str:
    """Returns the text of config.json."""
    return json.dumps(config, indent=2, default=str) + "\n"


def describe_training(
    options: TrainOptions, batch: tuple[jax.Array, jax.Array | None]
) -> dict[str, Any]:
    """Returns the sections that `train` writes, given an example of a batch."""
    arrays = {
        name: None if x is None else {"shape": list(x.shape), "dtype": str(x.dtype)}
        for name, x in zip(("real", "condition"), batch, strict=True)
    }
    return {
        "train": {
            "options": dataclasses.asdict(options),
            "batch": arrays,
            "x64": bool(jax.config.jax_enable_x64),  # pyright: ignore[reportAttributeAccessIssue]
        },
        "versions": package_versions(),
    }


def package_versions() -> dict[str, str]:
    """Returns the versions of the packages on which the bits of a run depend."""
    return {name: importlib.import_module(name).__version__ for name in PACKAGES}
