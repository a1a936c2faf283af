"""A run is a folder: its settings in config.json, and how the folder becomes a GAN again.

The only file that knows tyro.
"""

import contextlib
import dataclasses
import importlib
import json
import shutil
import sys
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
import tyro
from rich.console import Console

from jaxgan.checkpoints import Checkpoints
from jaxgan.data.images import DATA_DIR
from jaxgan.errors import CheckpointError, ConfigError, JaxganError
from jaxgan.gan import GAN
from jaxgan.history import write_whole
from jaxgan.states import GANState

PRECISIONS = {
    "float32": {"dtype": jnp.float32, "param_dtype": jnp.float32},
    "bf16": {"dtype": jnp.bfloat16, "param_dtype": jnp.float32},
    "float64": {"dtype": jnp.float64, "param_dtype": jnp.float64},
}
FREE = (
    "workdir",
    "data_dir",
    "epochs",
    "steps",
    "block",
)  # may change when a run goes on: the bits of a train step do not depend on them
KEPT = ("config.json", "metrics.jsonl", "timing.jsonl", "losses.png", "progress.png", "samples", "checkpoints")


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
    """What every experiment on images can be told."""

    workdir: Path = Path("runs/run")
    """Folder of the run. Giving the same one again goes on from its newest checkpoint."""
    overwrite: bool = False
    """Remove the run that is in the folder, and start anew."""
    dataset: str | None = None
    """mnist, fashion_mnist, kmnist, digits, or another set that TFDS has prepared. Unset: mnist, else digits."""
    data_dir: Path = DATA_DIR
    """Folder of the prepared data sets. Files put into downloads/manual/NAME/ there are used instead of a download."""
    epochs: int = 25
    """How long to train, in epochs of at least 60,000 images."""
    steps: int | None = None
    """How long to train, in train steps, whatever the epochs say."""
    batch_size: int = 128
    """Images a train step."""
    seed: int = 0
    """Decides everything random, from 0 to 4,294,967,295."""
    precision: Literal["float32", "bf16", "float64"] = "float32"
    """Of the computation. bf16 keeps the parameters in float32."""
    block: int = 20
    """Train steps between two reports."""

    seconds_per_step: ClassVar[float]

    def __post_init__(self):
        """Raises ConfigError at the first setting that is out of its range."""
        for name, least, most in (
            ("epochs", 1, None),
            ("steps", 1, None),
            ("batch_size", 1, None),
            ("seed", 0, 2**32 - 1),
            ("block", 1, None),
        ):
            value = getattr(self, name)
            if value is not None and (value < least or (most is not None and value > most)):
                raise ConfigError(
                    f"{name} is {value}, expected {f'at least {least}' if most is None else f'{least} to {most}'}"
                )


Config = TypeVar("Config", bound=Settings)
T = TypeVar("T")
Positional = tyro.conf.Positional


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


def command_line(config: type[T]) -> T:
    """A dataclass as the command line fills it in. Raises what its `__post_init__` does; exits if it cannot be read."""
    description = (sys.modules[config.__module__].__doc__ or "").strip()
    prog = f"python -m {module_name(config)}"
    return tyro.cli(config, description=description, prog=prog, config=(tyro.conf.FlagCreatePairsOff,))


@contextlib.contextmanager
def ends_plainly() -> Iterator[None]:
    """Turns our own errors into a message and exit status 1, and a second Ctrl-C into 130."""
    try:
        yield
    except JaxganError as error:
        Console(stderr=True).print(f"[bold red]error:[/] {error}", highlight=False, soft_wrap=True)
        sys.exit(1)
    except KeyboardInterrupt:
        Console(stderr=True).print("Stopped at once; the newest checkpoint is as it was.")
        sys.exit(130)


def module_name(thing: Any) -> str:
    """The module that defines a class or function, by the name under which it can be imported again."""
    if thing.__module__ != "__main__":
        return thing.__module__
    spec = sys.modules["__main__"].__spec__
    if spec is None:
        raise ConfigError(
            "start the experiment as a module, `python -m experiments.NAME`, so that its runs can find it again"
        )
    return spec.name


def program(module: str) -> list[str]:
    """The words that start a module from here with the Python that is running."""
    python = Path(sys.executable)
    return [str(python.relative_to(Path.cwd())) if python.is_relative_to(Path.cwd()) else "python", "-m", module]


def title(record: dict[str, Any]) -> str:
    """What to call a run in its pictures: the system and the data."""
    return f"{record['experiment'].rpartition('.')[-1]} · {record['data']['name']}"


def read(workdir: Path) -> dict[str, Any] | None:
    """config.json, or None where the folder holds no run. Raises ConfigError where it cannot be read."""
    path = workdir / "config.json"
    try:
        return json.loads(path.read_text()) if path.exists() else None
    except (json.JSONDecodeError, UnicodeDecodeError) as error:
        raise ConfigError(f"{path} is damaged ({error}); mend it, or start anew with --overwrite") from error


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


def use_precision(precision: str) -> None:
    """JAX computes in float64 only where it is told to beforehand."""
    jax.config.update("jax_enable_x64", precision == "float64")
