"""A run is a folder: its settings in config.json, and how the folder becomes a GAN again."""

import dataclasses
import importlib
import json
import shutil
import typing
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp

from jaxgan.checkpoints import Checkpoints
from jaxgan.errors import CheckpointError, ConfigError
from jaxgan.gan import GAN
from jaxgan.history import write_whole
from jaxgan.settings import Settings, module_name, use_precision
from jaxgan.states import GANState

# What may change when a run goes on: the bits of a train step do not depend on it.
FREE = ("workdir", "data_dir", "epochs", "steps", "block")
KEPT = ("checkpoints", "metrics.jsonl", "timing.jsonl", "losses.png", "progress.png", "samples", "config.json")

Config = TypeVar("Config", bound=Settings)


class Run(NamedTuple):
    """A folder that has become a GAN again.

    Attributes:
      gan: as the experiment's `build` makes it of the settings.
      state: of the checkpoint.
      step: the train step it is at.
      record: config.json.
    """

    gan: GAN
    state: GANState
    step: int
    record: dict[str, Any]


def title(record: dict[str, Any]) -> str:
    """What to call a run in its pictures: the system and the data."""
    return f"{record['experiment'].rpartition('.')[-1]} · {record['data']['name']}"


def read(workdir: Path) -> dict[str, Any] | None:
    """config.json, or None where the folder holds no run. Raises ConfigError where it cannot be read."""
    path = workdir / "config.json"
    if not path.exists():
        return None
    try:
        record = json.loads(path.read_text())
        missing = [name for name in ("experiment", "config", "data", "versions") if name not in record]
    except (ValueError, TypeError) as error:
        raise ConfigError(f"{path} is damaged ({error}); mend it, or start anew with --overwrite") from error
    if missing:
        raise ConfigError(f"{path} is damaged ({', '.join(missing)} missing); mend it, or start anew with --overwrite")
    return record


def settle(settings: Settings, data: dict[str, Any]) -> dict[str, Any]:
    """Writes config.json, and returns it; with `overwrite`, removes what a run has left.

    Args:
      settings: with `dataset` decided.
      data: what the run is trained on, as JSON: its name, number of images and shape.

    Raises:
      ConfigError: where the folder holds a run with other settings than the FREE ones, naming the fields.
    """
    config = {
        name: str(value) if isinstance(value, Path) else value for name, value in dataclasses.asdict(settings).items()
    }
    config.pop("overwrite")
    versions = {package: importlib.import_module(package).__version__ for package in ("jaxgan", "jax", "flax", "optax")}
    record = {"experiment": module_name(type(settings)), "config": config, "data": data, "versions": versions}
    if settings.overwrite:
        remove(settings.workdir)
    before = read(settings.workdir)
    if before is not None:
        refuse_other(settings.workdir, before, record)
    elif any((settings.workdir / "checkpoints").glob("*")):
        raise ConfigError(f"{settings.workdir} has checkpoints but no config.json; take another, or --overwrite")
    write_whole(settings.workdir / "config.json", (json.dumps(record, indent=2) + "\n").encode())
    return record


def remove(workdir: Path) -> None:
    """Removes what a run keeps in its folder, and nothing else."""
    for path in (workdir / name for name in KEPT):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def refuse_other(workdir: Path, before: dict[str, Any], now: dict[str, Any]) -> None:
    """Raises ConfigError where going on would not be going on with the same run."""

    def fixed(record):
        return {"experiment": record["experiment"], "data": record["data"]} | {
            k: v for k, v in record["config"].items() if k not in FREE
        }

    old, new = fixed(before), fixed(now)
    differing = [
        f"{name}: {old.get(name)!r} in the run, {new.get(name)!r} now"
        for name in old | new
        if old.get(name) != new.get(name)
    ]
    if differing:
        raise ConfigError(
            f"{workdir} holds a run with other settings:\n  "
            + "\n  ".join(differing)
            + "\nGive those, another --workdir, or --overwrite"
        )


def restore(workdir: Path, step: int | None = None) -> Run:
    """The GAN that a run has trained; needs the folder only, not the data.

    Args:
      workdir: the folder.
      step: of one of the kept checkpoints; None for the newest.

    Raises:
      ConfigError: where the folder holds no run.
      CheckpointError: where it has no such checkpoint.
    """
    record = read(workdir)
    if record is None:
        raise ConfigError(f"{workdir} holds no run: there is no config.json")
    try:
        module = importlib.import_module(record["experiment"])
    except ModuleNotFoundError as error:
        raise ConfigError(
            f"{workdir} was made by {record['experiment']}, which cannot be imported here: {error}"
        ) from error
    settings = from_json(module.Config, record["config"])
    use_precision(settings.precision)
    gan = module.build(settings)
    real = jax.ShapeDtypeStruct((1, *record["data"]["shape"]), jnp.float32)
    with Checkpoints(workdir / "checkpoints") as checkpoints:
        if not checkpoints.steps:
            raise CheckpointError(f"{workdir} has no checkpoint yet; train it first")
        step = checkpoints.steps[-1] if step is None else step
        state, _ = checkpoints.restore(step, jax.eval_shape(gan.init, jax.random.key(0), real))
    return Run(gan, state, step, record)


def from_json(settings: type[Config], config: dict[str, Any]) -> Config:
    """Settings from what `settle` has written. Raises ConfigError where they name what the class does not have."""
    hints = typing.get_type_hints(settings)
    unknown = sorted(config.keys() - hints.keys())
    if unknown:
        raise ConfigError(f"the run has settings that this release does not know: {', '.join(unknown)}")
    paths = {name for name, hint in hints.items() if hint is Path}
    values: dict[str, Any] = {name: Path(value) if name in paths else value for name, value in config.items()}
    return settings(**values)
