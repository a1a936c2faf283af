"""The run directory of an experiment: its files, and when it may be resumed or overwritten."""

import dataclasses
import json
import shutil
from pathlib import Path
from typing import Any

from jaxgan.distributed.multihost import assert_equal, barrier, is_primary_process
from jaxgan.errors import ConfigError
from jaxgan.runs.command_line import module_name
from jaxgan.runs.config import RunConfig, config_from_json, is_option
from jaxgan.training.config_file import (
    format_config,
    package_versions,
    read_config,
    write_config,
)
from jaxgan.training.workdir_lock import check_workdir

# Fields that may change when a run is resumed: the results of its train steps do not depend on
# them, except that the numbers of devices and processes affect rounding.
CHANGEABLE_ON_RESUME = (
    *(
        "workdir",
        "overwrite",
        "data_dir",
        "stream",
        "num_devices",
        "on_nonfinite",
        "epochs",
        "steps",
    ),
    *("steps_per_block", "keep_every", "evaluate_every", "show_window", "report"),
    *("log", "compilation_cache", "coordinator", "num_processes", "process_id"),
)
# Fields that concern one process, or one start of the run. config.json records their defaults.
NOT_RECORDED = {
    "overwrite": False,
    "compilation_cache": True,
    "report": True,
    "coordinator": None,
    "num_processes": None,
    "process_id": None,
}
RUN_FILES = (
    *("checkpoints", "metrics.jsonl", "probes.jsonl", "scores.jsonl", "timing.jsonl"),
    *("findings.json", "losses.png", "progress.png", "parabola.gif", "distance.json", "samples"),
    *("config.json", "mixture.gif", "scores.json", "scores.png", "evaluation.json", "nearest.png"),
    *("quarantine", "real.png", "real_scores.json", "samples.png", "nearest.npy", "report.html"),
    *("stability.json", "stability.gif", "stability.png"),
    *("export", "tensorboard", "wandb", "wandb.json", "writers.json"),
)
# A directory that contains any of these is a run directory.
RUN_MARKS = ("config.json", "checkpoints", "metrics.jsonl")


def find_existing_run(config: RunConfig) -> dict[str, Any] | None:
    """Returns config.json of the run that is to be resumed, or None for a new run.

    Raises:
      ConfigError: If the workdir is a file, or contains a run of another experiment, a run that
        differs in a field that is not in `CHANGEABLE_ON_RESUME`, or checkpoints without a
        config.json. The message names the differences.
    """
    check_workdir(config.workdir)
    if config.overwrite:
        check_overwritable(config.workdir)
        return None
    record = read_config(config.workdir)
    if record is not None:
        check_same_settings(config, record)
    elif any((config.workdir / "checkpoints").glob("*")):
        raise ConfigError(
            f"{config.workdir} has checkpoints but no config.json; use another --workdir, or "
            "start over with --overwrite"
        )
    return record


def check_overwritable(workdir: Path) -> None:
    """Raises ConfigError if a directory contains files, but no run that could be overwritten."""
    names = sorted(p.name for p in workdir.iterdir()) if workdir.is_dir() else []
    files = [name for name in names if name != ".lock"]
    if files and not any((workdir / mark).exists() for mark in RUN_MARKS):
        raise ConfigError(
            f"{workdir} contains no run, but other files ({', '.join(files[:3])}), which "
            "--overwrite does not remove; use another --workdir"
        )


def check_same_settings(config: RunConfig, record: dict[str, Any]) -> None:
    """Raises ConfigError if `config` would not resume the run that config.json describes."""
    missing = [name for name in ("experiment", "config", "data") if name not in record]
    if missing:
        raise ConfigError(
            f"{config.workdir}/config.json has no {' and no '.join(missing)}: the run was not "
            "started by an experiment. Use another --workdir, or start over with --overwrite"
        )
    name = module_name(type(config))
    differences = []
    if name != record["experiment"]:
        differences.append(("experiment", record["experiment"], name))
    else:
        old = config_from_json(type(config), record["config"])
        options = [field.name for field in dataclasses.fields(config) if is_option(field)]
        values = [
            (name, getattr(old, name), getattr(config, name))
            for name in options
            if name not in CHANGEABLE_ON_RESUME
        ]
        unset = ("dataset", record["data"]["name"], None)  # then the run's data set is used
        differences += [v for v in values if v[1] != v[2] and v != unset]
    if differences:
        lines = "\n  ".join(
            f"{name}: {old!r} in the run, {new!r} now" for name, old, new in differences
        )
        raise ConfigError(
            f"{config.workdir} contains a run with other settings:\n  {lines}\n"
            "Use these settings, another --workdir, or start over with --overwrite"
        )


def begin_run_dir(config: RunConfig, data: dict[str, Any]) -> dict[str, Any]:
    """Writes config.json and returns its content; with `overwrite`, removes the existing run first.

    In a multi-process run only the primary writes, and the others wait.

    Args:
      config: The configuration, with the data set resolved.
      data: JSON-serializable description of the data, with at least "name".

    Raises:
      ConfigError: As `find_existing_run` does, or if the existing run had other data of the same
        name.
    """
    existing = find_existing_run(config)
    if existing is not None and existing["data"] != data:
        old = existing["data"]
        lines = "\n  ".join(
            f"{name}: {old.get(name)!r} in the run, {data.get(name)!r} now"
            for name in {**old, **data}
            if old.get(name) != data.get(name)
        )
        raise ConfigError(
            f"{config.workdir} contains a run on other data:\n  {lines}\nRestore the data, use "
            "another --workdir, or start over with --overwrite"
        )
    record = (existing or {}) | {
        "experiment": module_name(type(config)),
        "config": dataclasses.asdict(config) | NOT_RECORDED,
        "data": data,
        "versions": package_versions(),
    }
    content = format_config(record)
    assert_equal("settings or data", content)
    if is_primary_process():
        if config.overwrite:
            clear_run_dir(config.workdir)
        write_config(config.workdir, record)
    barrier("config.json written")
    return json.loads(content)


def clear_run_dir(workdir: Path) -> None:
    """Removes the files of a run from its directory, and nothing else."""
    for path in (workdir / name for name in RUN_FILES):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)
