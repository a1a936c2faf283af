"""What an experiment can be told, and how a command line tells it.

The only file that knows tyro.
"""

import contextlib
import dataclasses
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, ClassVar, Literal, TypeVar

import jax
import jax.numpy as jnp
import tyro
from rich.console import Console

from jaxgan.data.images import DATA_DIR
from jaxgan.errors import ConfigError, JaxganError
from jaxgan.progress import say

T = TypeVar("T")
Positional = tyro.conf.Positional


PRECISIONS = {
    "float32": {"dtype": jnp.float32, "param_dtype": jnp.float32},
    "bf16": {"dtype": jnp.bfloat16, "param_dtype": jnp.float32},
    "float64": {"dtype": jnp.float64, "param_dtype": jnp.float64},
}


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
    """How long to train, in epochs: once through the set, or as often through a small one as 60,000 images allow."""
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
        for name in ("epochs", "steps", "batch_size", "block"):
            value = getattr(self, name)
            if value is not None and value < 1:
                raise ConfigError(f"{name} is {value}, expected at least 1")
        if not 0 <= self.seed < 2**32:
            raise ConfigError(f"seed is {self.seed}, expected 0 to {2**32 - 1}")


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
        say(Console(stderr=True), f"error: {error}")
        sys.exit(1)
    except KeyboardInterrupt:
        say(Console(stderr=True), "Stopped at once; the newest checkpoint is as it was.")
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


def use_precision(precision: str) -> None:
    """JAX computes in float64 only where it is told to beforehand."""
    jax.config.update("jax_enable_x64", precision == "float64")
