"""A run is a folder: its settings in config.json, and how the folder becomes a GAN again."""

import dataclasses
import importlib
import json
import shutil
import typing
from pathlib import Path
from typing import Any, Literal, NamedTuple, TypeVar

import jax
import jax.numpy as jnp

from jaxgan.checkpoints import Checkpoints
from jaxgan.errors import CheckpointError, ConfigError, DamageError
from jaxgan.gan import GAN
from jaxgan.history import write_whole
from jaxgan.processes import agree, leads, meet
from jaxgan.settings import Settings, module_name, set_up_jax
from jaxgan.sharing import one_of
from jaxgan.states import GANState

# What may change when a run goes on: the bits of a train step do not depend on it.
FREE = (
    *("workdir", "overwrite", "data_dir", "stream", "devices", "on_nan", "epochs", "steps", "block", "live"),
    *("evaluate_every", "coordinator", "num_processes", "process_id"),
)
OF_THE_MOMENT = {"overwrite": False, "coordinator": None, "num_processes": None, "process_id": None}
KEPT = (
    *("checkpoints", "metrics.jsonl", "probes.jsonl", "scores.jsonl", "timing.jsonl", "findings.json"),
    *("losses.png", "progress.png", "parabola.gif", "distance.json", "samples", "config.json"),
    *("mixture.gif", "scores.json", "scores.png", "evaluation.json", "nearest.png"),
)

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
    """What to call a run in its pictures: the system, its preset and the data."""
    system, data = record["experiment"].rpartition(".")[-1], record["data"]["name"]
    preset = record["config"].get("preset")
    return " · ".join(dict.fromkeys(part for part in (system, preset, data) if part))


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


def find(settings: Settings) -> dict[str, Any] | None:
    """config.json of the run that is to go on, or None where one is to begin.

    Raises:
      ConfigError: where the folder holds a run of another experiment or with other settings than the FREE ones, naming
        the fields, or checkpoints whose settings are lost.
    """
    before = None if settings.overwrite else read(settings.workdir)
    if before is not None:
        refuse_other(settings, before)
    elif not settings.overwrite and any((settings.workdir / "checkpoints").glob("*")):
        raise ConfigError(
            f"{settings.workdir} has checkpoints but no config.json; take another --workdir, or remove them"
        )
    return before


def refuse_other(settings: Settings, before: dict[str, Any]) -> None:
    """Raises ConfigError where going on would not be going on with the same run."""
    name = module_name(type(settings))
    differing = [] if name == before["experiment"] else [("experiment", before["experiment"], name)]
    if not differing:
        old = from_json(type(settings), before["config"])
        fields = [field.name for field in dataclasses.fields(settings) if field.name not in FREE]
        pairs = [(name, getattr(old, name), getattr(settings, name)) for name in fields]
        undecided = ("dataset", before["data"]["name"], None)
        differing = [pair for pair in pairs if pair[1] != pair[2] and pair != undecided]
    if differing:
        named = "\n  ".join(f"{name}: {old!r} in the run, {new!r} now" for name, old, new in differing)
        raise ConfigError(
            f"{settings.workdir} holds a run with other settings:\n  {named}\n"
            "Give those, another --workdir, or --overwrite"
        )


def settle(settings: Settings, data: dict[str, Any]) -> dict[str, Any]:
    """Writes config.json, and returns it; with `overwrite`, first removes the run that is there.

    Of several processes the first does so, and all others wait for it.

    Args:
      settings: with the data set decided.
      data: what the run is trained on, as JSON: at least its name and the shape of a sample.

    Raises:
      ConfigError: as `find` does, or where the run that is there had other data of the same name.
    """
    before = find(settings)
    if before is not None and before["data"] != data:
        raise ConfigError(f"{settings.workdir} holds a run on other data: {before['data']}, now {data}")
    config = dataclasses.asdict(settings) | OF_THE_MOMENT
    versions = {package: importlib.import_module(package).__version__ for package in ("jaxgan", "jax", "flax", "optax")}
    record = {"experiment": module_name(type(settings)), "config": config, "data": data, "versions": versions}
    content = json.dumps(record, indent=2, default=str) + "\n"
    agree("their settings or data", content)
    if leads():
        if settings.overwrite and (settings.workdir / "config.json").exists():
            remove(settings.workdir)
        write_whole(settings.workdir / "config.json", content.encode())
    meet("the settings are written")
    return json.loads(content)


def remove(workdir: Path) -> None:
    """Removes what a run keeps in its folder, and nothing else."""
    for path in (workdir / name for name in KEPT):
        if path.is_dir():
            shutil.rmtree(path)
        else:
            path.unlink(missing_ok=True)


def restore(workdir: Path, step: int | Literal["best"] | None = None, member: int = 0) -> Run:
    """The GAN that a run has trained; needs the folder only, not the data. Sets JAX to the run's precision.

    Args:
      workdir: the folder.
      step: of one of the kept checkpoints; None for the newest, "best" for that with the best scores.
      member: which of the GANs, where the run trained several at once; counted from 0.

    Raises:
      ConfigError: where the folder holds no run.
      CheckpointError: where it has no such checkpoint, or no such member.
    """
    record = read(workdir)
    if record is None:
        raise ConfigError(f"{workdir} holds no run: there is no config.json")
    try:
        module = importlib.import_module(record["experiment"])
        config, build = module.Config, module.build
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"{workdir} was made by {record['experiment']}, which cannot be imported here: {error}"
        ) from error
    settings = from_json(config, record["config"])
    set_up_jax(settings)
    gan = build(settings)
    seeds = record["config"].get("seeds")
    if not 0 <= member < (seeds or 1):
        raise CheckpointError(f"{workdir} has members 0 to {(seeds or 1) - 1}, there is no member {member}")
    real = jax.ShapeDtypeStruct((1, *record["data"]["shape"]), jnp.float32)
    with Checkpoints(workdir / "checkpoints") as checkpoints:
        if not checkpoints.steps:
            raise CheckpointError(f"{workdir} has no checkpoint yet; train it first")
        step = checkpoints.steps[-1] if step is None else checkpoints.best if step == "best" else step
        if step is None:
            raise CheckpointError(f"{workdir} has no checkpoint with scores; train with --evaluate-every")
        like = jax.eval_shape(gan.init, jax.random.key(0), real)
        if seeds is not None:
            like = jax.tree.map(lambda x: jax.ShapeDtypeStruct((seeds, *x.shape), x.dtype), like)
        try:
            state, _ = checkpoints.restore(step, like)
        except DamageError as error:
            raise DamageError(f"{error}. The checkpoints are of steps {checkpoints.steps}; try another") from error
    if seeds is not None:
        state = one_of(state, member)
    return Run(gan, state, step, record)


def fits(value: Any, hint: Any) -> bool:
    """Whether a value that was read from JSON is one of the type."""
    if options := typing.get_args(hint):
        literal = typing.get_origin(hint) is Literal
        return value in options if literal else any(fits(value, option) for option in options)
    if hint is Path:
        return isinstance(value, str)
    return type(value) in ((int, float) if hint is float else (hint,))


def from_json(settings: type[Config], config: dict[str, Any]) -> Config:
    """Settings from what `settle` has written. Raises ConfigError where they name what the class does not have."""
    hints = typing.get_type_hints(settings)
    names = {field.name for field in dataclasses.fields(settings)}
    unknown = sorted(config.keys() - names)
    if unknown:
        raise ConfigError(f"the run has settings that this release does not know: {', '.join(unknown)}")
    for name, value in config.items():
        if not fits(value, hints[name]):
            raise ConfigError(f"the run's settings are damaged: {name} is {value!r}")
    values: dict[str, Any] = {name: Path(v) if hints[name] is Path else v for name, v in config.items()}
    try:
        return settings(**values)
    except TypeError as error:
        raise ConfigError(f"the run's settings are damaged: {error}") from error
