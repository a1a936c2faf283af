"""What an experiment can be told, and how a command line tells it.

The only file that knows tyro.
"""

import dataclasses
import math
import typing
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, TypeVar

import jax.numpy as jnp

from jaxgan.data.image_datasets import DEFAULT_DATA_DIR
from jaxgan.distributed.multihost import validate_distributed_args
from jaxgan.errors import ConfigError
from jaxgan.train_step import Order
from jaxgan.training.blocks import MAX_STEPS

Config = TypeVar("Config", bound="RunConfig")


MAY_BE_ZERO = ("member", "process_id")
UPPER_BOUNDS = {
    "g_layers": 100,
    "g_steps": 1_000,
}  # of what is written out as many times in a program
PRECISIONS = {
    "float32": {"dtype": jnp.float32, "param_dtype": jnp.float32},
    "bf16": {"dtype": jnp.bfloat16, "param_dtype": jnp.float32},
    "float64": {"dtype": jnp.float64, "param_dtype": jnp.float64},
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class RunConfig:
    """What every experiment can be told. Whole numbers are counts, of at least 1, but for the seed and the process."""

    workdir: Path = Path("runs/run")
    """Folder of the run. Giving the same one again goes on from its newest checkpoint."""
    overwrite: bool = False
    """Remove the run that is in the folder, and start anew."""
    steps: int | None = None
    """How long to train, in train steps."""
    batch_size: int = 128
    """Real samples an update of the discriminator."""
    d_steps: int = 1
    """Updates of the discriminator a train step."""
    g_steps: int = 1
    """Updates of the generator a train step."""
    order: Order = "d_first"
    """Who moves first in a train step; simultaneous: both from where the other was."""
    share_noise: bool = True
    """The generator's first update plays the noise of the discriminator's last; switched off, noise of its own."""
    seed: int = 0
    """Decides everything random, from 0 to 4,294,967,295."""
    seeds: int | None = None
    """Train so many at once, with the seeds SEED, SEED + 1, …; fastest for a multiple of the cores. Records are of all,
    pictures of the first. Unset: one."""
    devices: int | None = None
    """Share every batch, or the seeds, out over so many devices. Unset: all that can be used evenly; but one CPU device
    for a batch, because all cores work on it anyway."""
    precision: Literal["float32", "bf16", "float64"] = "float32"
    """Of the computation. bf16 keeps the parameters in float32."""
    block: int = 20
    """Train steps between two reports."""
    on_nan: Literal["stop", "skip"] = "stop"
    """At a loss or a gradient that is not finite: stop; or skip the update, but at most 20 train steps in a row."""
    coordinator: str | None = None
    """Train with other processes, started by the same command: HOST:PORT of the first; or auto, on Slurm, Open MPI, GKE
    and Cloud TPUs. Unset: alone."""
    num_processes: int | None = None
    """How many processes; not with auto."""
    process_id: int | None = None
    """Which of them this is, from 0; not with auto."""

    seconds_per_step: ClassVar[float]
    single_threaded: ClassVar[bool] = (
        False  # whether the networks are too small to gain from a second
    )
    presets: ClassVar[dict[str, dict[str, Any]]] = {}

    def __post_init__(self):
        """Raises ConfigError at the first setting that is out of its range."""
        check_ranges(self)
        validate_distributed_args(self.coordinator, self.num_processes, self.process_id)

    @classmethod
    def from_preset(cls, name: str, **changes: Any) -> Self:
        """The settings of a preset, in those fields that are not given."""
        return cls(preset=name, **(cls.presets.get(name, {}) | changes))  # pyright: ignore[reportCallIssue]

    def total_steps(self, steps_per_epoch: int) -> int:
        """How many train steps the run takes in all."""
        del steps_per_epoch
        if self.steps is None:
            raise ConfigError("steps is not given; say how long to train")
        return self.steps


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageRunConfig(RunConfig):
    """What every experiment on images can be told."""

    dataset: str | None = None
    """mnist, fashion_mnist, kmnist, digits, or another set that TFDS has prepared. Unset: mnist, else digits."""
    data_dir: Path = DEFAULT_DATA_DIR
    """Folder of the prepared data sets. Files put into downloads/manual/NAME/ there are used instead of a download."""
    stream: bool = False
    """Read the images from the disk while training, for sets that do not fit into memory. To evaluate, all are read."""
    epochs: int | None = None
    """How long to train, in epochs: once through the set, or as often through a small one as 60,000 images allow.
    Steps, if given, count instead."""
    evaluate_every: int | None = None
    """Epochs from one evaluation of 10,000 samples to the next. The best checkpoint is then kept besides the newest.
    Unset: none."""
    half_life: float | None = None
    """Keep a moving average of the generator, in which an update counts half after so many images. Samples and scores
    are then the average's. Unset: none."""
    noise: int = 100
    """Numbers that a sample is made of."""

    def total_steps(self, steps_per_epoch: int) -> int:
        """The steps that were given, else the epochs', else the steps of the documented run."""
        if self.epochs is not None and self.steps == type(self).steps:
            return self.epochs * steps_per_epoch
        return super().total_steps(steps_per_epoch)


@dataclasses.dataclass(frozen=True, kw_only=True)
class AdamConfig(ImageRunConfig):
    """What experiments on images can be told whose networks both move by Adam."""

    learning_rate: float = 3e-4
    """Adam's, for both networks."""
    b1: float = 0.5
    """Adam's momentum."""
    b2: float = 0.999
    """Adam's memory of squared gradients."""
    gamma: float = 0.0
    """Weight of R1, the penalty on the discriminator's gradient at real images. 0: none."""


def check_ranges(settings: Any) -> None:
    """Raises ConfigError where a whole number, a real number or the seed is out of its range.

    Whether there is a member or a process of a number is checked where it is known how many there are.
    """
    for name, value in (
        (field.name, getattr(settings, field.name)) for field in dataclasses.fields(settings)
    ):
        if name == "seed":
            most = 2**32 - (getattr(settings, "seeds", None) or 1)
            if not 0 <= value <= most:
                raise ConfigError(f"seed is {value}, expected 0 to {most}")
        elif isinstance(value, int) and not isinstance(value, bool):
            least, most = int(name not in MAY_BE_ZERO), UPPER_BOUNDS.get(name, MAX_STEPS)
            if value < least:
                raise ConfigError(f"{name} is {value}, expected at least {least}")
            if value > most:
                raise ConfigError(f"{name} is {value}, expected at most {most:,}")
        elif isinstance(value, float) and not 0 <= value < math.inf:
            raise ConfigError(f"{name} is {value}, expected a number from 0")


def matches_type(value: Any, hint: Any) -> bool:
    """Whether a value that was read from JSON is one of the type."""
    if options := typing.get_args(hint):
        literal = typing.get_origin(hint) is Literal
        return (
            value in options if literal else any(matches_type(value, option) for option in options)
        )
    if hint is Path:
        return isinstance(value, str)
    return type(value) in ((int, float) if hint is float else (hint,))


def config_from_json(settings: type[Config], config: dict[str, Any]) -> Config:
    """Settings from what `settle` has written. Raises ConfigError where they name what the class does not have."""
    hints = typing.get_type_hints(settings)
    names = {field.name for field in dataclasses.fields(settings)}
    unknown = sorted(config.keys() - names)
    if unknown:
        raise ConfigError(
            f"the run has settings that this release does not know: {', '.join(unknown)}"
        )
    for name, value in config.items():
        if not matches_type(value, hints[name]):
            raise ConfigError(f"the run's settings are damaged: {name} is {value!r}")
    values: dict[str, Any] = {
        name: Path(v) if hints[name] is Path else v for name, v in config.items()
    }
    try:
        return settings(**values)
    except TypeError as error:
        raise ConfigError(f"the run's settings are damaged: {error}") from error
