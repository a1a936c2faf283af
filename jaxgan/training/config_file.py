"""config.json of a workdir: the settings of the run, with one section per writer.

`train` writes the sections "train" (its options, shape and dtype of a batch, and fingerprints of
the GAN and the source) and "versions". An experiment adds "experiment", "config" and "data" (see
`jaxgan.runs.run_dir`).
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
from jaxgan.training.fingerprint import fingerprint_gan, fingerprint_source
from jaxgan.training.options import TrainOptions
from jaxgan.training.program import Program, zeros_like_batch

PACKAGES = ("jaxgan", "jax", "flax", "optax")
# The keys of the section "train", and those of its entries that are read when a run is resumed.
TRAIN_KEYS = {
    "options": ("num_seeds",),
    "batch": ("real", "condition"),
    "x64": (),
    "gan": (),
    "source": ("arrays", "batches_per_epoch", "functions"),
    "changes": (),
}


def read_config(workdir: str | os.PathLike[str]) -> dict[str, Any] | None:
    """Returns the content of config.json, or None if there is no such file.

    Raises:
      ConfigError: If it is corrupt, or was written by a release whose runs cannot be read.
    """
    path = Path(workdir) / "config.json"
    if not path.exists():
        return None
    try:
        config = json.loads(path.read_text())
        release = config["versions"]["jaxgan"]
        if "train" in config:
            check_train_section(config["train"])
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise ConfigError(
            f"{path} is corrupt ({error!r}); repair it, or start over with --overwrite"
        ) from error
    if str(release).startswith("0.1."):
        raise ConfigError(
            f"{workdir} contains a run of jaxgan {release}, which this release cannot read; use "
            "another workdir, or start over with --overwrite"
        )
    return config


def check_train_section(section: dict[str, Any]) -> None:
    """Raises KeyError, TypeError or AttributeError if the section "train" is incomplete."""
    for name, keys in TRAIN_KEYS.items():
        entry = section[name]
        if missing := set(keys) - (entry.keys() if keys else set()):
            raise KeyError(*missing)
    for array in section["batch"].values():
        if array is not None and (missing := {"shape", "dtype"} - array.keys()):
            raise KeyError(*missing)


def write_config(workdir: str | os.PathLike[str], config: dict[str, Any]) -> None:
    """Writes config.json atomically."""
    write_atomic(Path(workdir) / "config.json", format_config(config).encode())


def format_config(config: dict[str, Any]) -> str:
    """Returns the text of config.json."""
    return json.dumps(config, indent=2, default=str) + "\n"


def describe_training(program: Program, options: TrainOptions) -> dict[str, Any]:
    """Returns the sections of config.json that `train` writes."""
    batch = zeros_like_batch(program.source)
    arrays = {
        name: None if x is None else {"shape": list(x.shape), "dtype": str(x.dtype)}
        for name, x in zip(("real", "condition"), batch, strict=True)
    }
    section = {
        "options": dataclasses.asdict(options),
        "batch": arrays,
        "x64": bool(jax.config.jax_enable_x64),  # pyright: ignore[reportAttributeAccessIssue]
        "gan": fingerprint_gan(program.original_gan, batch),
        "source": fingerprint_source(program.source),
        "changes": [],
    }
    return {"train": section, "versions": package_versions()}


def package_versions() -> dict[str, str]:
    """Returns the versions of the packages on which the bits of a run depend."""
    return {name: importlib.import_module(name).__version__ for name in PACKAGES}


def run_title(config: dict[str, Any]) -> str:
    """Returns the title of a run's figures: the system, its preset and the data."""
    system = config.get("experiment", "").rpartition(".")[-1]
    preset, data = config.get("config", {}).get("preset"), config.get("data", {}).get("name")
    return " · ".join(dict.fromkeys(part for part in (system, preset, data) if part))
