"""What an experiment can be told, and how a command line tells it.

The only file that knows tyro.
"""

import argparse
import contextlib
import dataclasses
import math
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal, Self, TypeVar

import jax
import jax.numpy as jnp
import tyro
from rich.console import Console

from jaxgan.alternate import Order
from jaxgan.blocks import MOST
from jaxgan.data.images import DATA_DIR
from jaxgan.errors import ConfigError, JaxganError
from jaxgan.processes import check_place, join, leave, may_be_anothers_end, meet
from jaxgan.progress import say

T = TypeVar("T")
Positional = tyro.conf.Positional


FROM_ZERO = ("member", "process_id")
AT_MOST = {"g_layers": 100, "g_steps": 1_000}  # of what is written out as many times in a program
PRECISIONS = {
    "float32": {"dtype": jnp.float32, "param_dtype": jnp.float32},
    "bf16": {"dtype": jnp.bfloat16, "param_dtype": jnp.float32},
    "float64": {"dtype": jnp.float64, "param_dtype": jnp.float64},
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Settings:
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
    one_core: ClassVar[bool] = False  # whether the networks are too small to gain from a second
    presets: ClassVar[dict[str, dict[str, Any]]] = {}

    def __post_init__(self):
        """Raises ConfigError at the first setting that is out of its range."""
        check_numbers(self)
        check_place(self.coordinator, self.num_processes, self.process_id)

    @classmethod
    def of_preset(cls, name: str, **changes: Any) -> Self:
        """The settings of a preset, in those fields that are not given."""
        return cls(preset=name, **(cls.presets.get(name, {}) | changes))  # pyright: ignore[reportCallIssue]

    def total_steps(self, steps_per_epoch: int) -> int:
        """How many train steps the run takes in all."""
        del steps_per_epoch
        if self.steps is None:
            raise ConfigError("steps is not given; say how long to train")
        return self.steps


@dataclasses.dataclass(frozen=True, kw_only=True)
class ImageSettings(Settings):
    """What every experiment on images can be told."""

    dataset: str | None = None
    """mnist, fashion_mnist, kmnist, digits, or another set that TFDS has prepared. Unset: mnist, else digits."""
    data_dir: Path = DATA_DIR
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
class AdamSettings(ImageSettings):
    """What experiments on images can be told whose networks both move by Adam."""

    learning_rate: float = 3e-4
    """Adam's, for both networks."""
    b1: float = 0.5
    """Adam's momentum."""
    b2: float = 0.999
    """Adam's memory of squared gradients."""
    gamma: float = 0.0
    """Weight of R1, the penalty on the discriminator's gradient at real images. 0: none."""


def check_numbers(settings: Any) -> None:
    """Raises ConfigError where a whole number, a real number or the seed is out of its range.

    Whether there is a member or a process of a number is checked where it is known how many there are.
    """
    for name, value in ((field.name, getattr(settings, field.name)) for field in dataclasses.fields(settings)):
        if name == "seed":
            most = 2**32 - (getattr(settings, "seeds", None) or 1)
            if not 0 <= value <= most:
                raise ConfigError(f"seed is {value}, expected 0 to {most}")
        elif isinstance(value, int) and not isinstance(value, bool):
            least, most = int(name not in FROM_ZERO), AT_MOST.get(name, MOST)
            if value < least:
                raise ConfigError(f"{name} is {value}, expected at least {least}")
            if value > most:
                raise ConfigError(f"{name} is {value}, expected at most {most:,}")
        elif isinstance(value, float) and not 0 <= value < math.inf:
            raise ConfigError(f"{name} is {value}, expected a number from 0")


def command_line(config: type[T]) -> T:
    """A dataclass as the command line fills it in, its defaults those of `--preset NAME` where there are presets.

    Raises what the dataclass' `__post_init__` does; exits if the command line cannot be read.
    """
    description = (sys.modules[config.__module__].__doc__ or "").strip()
    prog = f"python -m {module_name(config)}"
    finder = argparse.ArgumentParser(add_help=False, exit_on_error=False, allow_abbrev=False)
    finder.add_argument("--preset")
    with contextlib.suppress(argparse.ArgumentError):  # tyro will complain of it, better
        preset = finder.parse_known_args()[0].preset
        if issubclass(config, Settings) and preset in config.presets:
            default = config.of_preset(preset)
            return tyro.cli(
                config, default=default, description=description, prog=prog, config=(tyro.conf.FlagCreatePairsOff,)
            )
    return tyro.cli(config, description=description, prog=prog, config=(tyro.conf.FlagCreatePairsOff,))


@contextlib.contextmanager
def ends_plainly() -> Iterator[None]:
    """Turns our own errors and the file system's into a message and exit status 1, and a second Ctrl-C into 130.

    Of several processes those that end well wait here for the others, and where JAX fails, as it does where another has
    ended, that is said.
    """
    console = Console(stderr=True)
    try:
        try:
            yield
        except SystemExit:
            meet("the end")
            raise
        meet("the end")
    except (JaxganError, OSError) as error:
        more = "\nWhat was saved is as it was; once that is mended, the same command goes on."
        say(console, f"error: {error}{more if isinstance(error, OSError) else ''}")
        leave(1)
    except KeyboardInterrupt:
        say(console, "Stopped at once; what was saved is as it was.")
        leave(130)
    except (jax.errors.JaxRuntimeError, ValueError) as error:
        if not may_be_anothers_end(error):
            raise
        say(
            console,
            f"error: JAX has failed, as it does where another process has ended: {error}\n"
            "What was saved is as it was; started again, all processes go on.",
        )
        leave(1)


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


def set_up_jax(settings: Settings) -> None:
    """Tells JAX, for the whole process, what it must know beforehand.

    That is whether to compute in float64; which other processes there are; for a population, to count every core as a
    device, over which the members are shared out; and for tiny networks to keep a CPU device to one core. A process
    whose devices are made keeps those.

    Raises:
      ConfigError: where the other processes are not found.
    """
    jax.config.update("jax_enable_x64", settings.precision == "float64")
    share = (settings.devices or 0) // (settings.num_processes or 1)
    with contextlib.suppress(RuntimeError):
        jax.config.update("jax_num_cpu_devices", share or (1 if settings.seeds is None else usable_cores()))
    join(settings.coordinator, settings.num_processes, settings.process_id)
    if settings.one_core and "NPROC" not in os.environ:
        os.environ["NPROC"] = "1"  # from which XLA's CPU devices, when they are made, take the number of their threads
        jax.devices()
        del os.environ["NPROC"]


def usable_cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
