"""A run is a folder: its settings in config.json, and how the folder becomes a GAN again."""

import dataclasses
import importlib
import json
import shutil
from pathlib import Path
from typing import Any, TypeVar

from jaxgan._io import write_atomic
from jaxgan.distributed.multihost import assert_equal, barrier, is_primary_process
from jaxgan.errors import ConfigError
from jaxgan.runs.command_line import module_name
from jaxgan.runs.config import RunConfig, config_from_json

# What may change when a run goes on: the bits of a train step do not depend on it.
CHANGEABLE_ON_RESUME = (
    *(
        "workdir",
        "overwrite",
        "data_dir",
        "stream",
        "devices",
        "on_nan",
        "epochs",
        "steps",
        "block",
        "live",
    ),
    *("evaluate_every", "coordinator", "num_processes", "process_id"),
)
NOT_RECORDED = {"overwrite": False, "coordinator": None, "num_processes": None, "process_id": None}
RUN_FILES = (
    *(
        "checkpoints",
        "metrics.jsonl",
        "probes.jsonl",
        "scores.jsonl",
        "timing.jsonl",
        "findings.json",
    ),
    *("losses.png", "progress.png", "parabola.gif", "distance.json", "samples", "config.json"),
    *("mixture.gif", "scores.json", "scores.png", "evaluation.json", "nearest.png"),
)

Config = TypeVar("Config", bound=RunConfig)


def read_config(workdir: Path) -> dict[str, Any] | None:
    """config.json, or None where the folder holds no run. Raises ConfigError where it cannot be read."""
    path = workdir / "config.json"
    if not path.exists():
        return None
    try:
        record = json.loads(path.read_text())
        missing = [
            name for name in ("experiment", "config", "data", "versions") if name not in record
        ]
    except (ValueError, TypeError) as error:
        raise ConfigError(
            f"{path} is damaged ({error}); mend it, or start anew with --overwrite"
        ) from error
    if missing:
        raise ConfigError(
            f"{path} is damaged ({', '.join(missing)} missing); mend it, or start anew with --overwrite"
        )
    return record


def find_existing_run(settings: RunConfig) -> dict[str, Any] | None:
    """config.json of the run that is to go on, or None where one is to begin.

    Raises:
      ConfigError: where the folder holds a run of another experiment or with other settings than the FREE ones, naming
        the fields, or checkpoints whose settings are lost.
    """
    before = None if settings.overwrite else read_config(settings.workdir)
    if before is not None:
        check_same_settings(settings, before)
    elif not settings.overwrite and any((settings.workdir / "checkpoints").glob("*")):
        raise ConfigError(
            f"{settings.workdir} has checkpoints but no config.json; take another --workdir, or remove them"
        )
    return before


def check_same_settings(settings: RunConfig, before: dict[str, Any]) -> None:
    """Raises ConfigError where going on would not be going on with the same run."""
    name = module_name(type(settings))
    differing = [] if name == before["experiment"] else [("experiment", before["experiment"], name)]
    if not differing:
        old = config_from_json(type(settings), before["config"])
        fields = [
            field.name
            for field in dataclasses.fields(settings)
            if field.name not in CHANGEABLE_ON_RESUME
        ]
        pairs = [(name, getattr(old, name), getattr(settings, name)) for name in fields]
        undecided = ("dataset", before["data"]["name"], None)
        differing = [pair for pair in pairs if pair[1] != pair[2] and pair != undecided]
    if differing:
        named = "\n  ".join(
            f"{name}: {old!r} in the run, {new!r} now" for name, old, new in differing
        )
        raise ConfigError(
            f"{settings.workdir} holds a run with other settings:\n  {named}\n"
            "Give those, another --workdir, or --overwrite"
        )


def write_config(settings: RunConfig, data: dict[str, Any]) -> dict[str, Any]:
    """Writes config.json, and returns it; with `overwrite`, first removes the run that is there.

    Of several processes the first does so, and all others wait for it.

    Args:
      settings: with the data set decided.
      data: what the run is trained on, as JSON: at least its name and the shape of a sample.

    Raises:
      ConfigError: as `find` does, or where the run that is there had other data of the same name.
    """
    before = find_existing_run(settings)
    if before is not None and before["data"] != data:
        raise ConfigError(
            f"{settings.workdir} holds a run on other data: {before['data']}, now {data}"
        )
    config = dataclasses.asdict(settings) | NOT_RECORDED
    versions = {
        package: importlib.import_module(package).__version__
        for package in ("jaxgan", "jax", "flax", "optax")
    }
    record = {
        "experiment": module_name(type(settings)),
        "config": config,
        "data": data,
        "versions": versions,
    }
    content = json.dumps(record, indent=2, default=str) + "\n"
    assert_equal("their settings or data", content)
    if is_primary_process():
        if settings.overwrite and (settings.workdir / "config.json").exists():
            clear_run_dir(settings.workdir)
        write_atomic(settings.workdir / "config.json", content.encode())
    barrier("the settings are written")
    return json.loads(content)


def clear_run_dir(workdir: Path) -> None:
    """Removes what a run keeps in its folder, and nothing else."""
    for path in (workdir / name for name in RUN_FILES):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
