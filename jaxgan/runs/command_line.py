"""TODO."""

import argparse
import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, TypeVar

import jax
import tyro
from rich.console import Console

from jaxgan.distributed.multihost import (
    barrier,
    exit_process,
    is_peer_failure,
)
from jaxgan.errors import ConfigError, JaxganError
from jaxgan.runs.config import RunConfig
from jaxgan.runs.console import print_line

T = TypeVar("T")
Positional = tyro.conf.Positional


def parse_cli(config: type[T]) -> T:
    """A dataclass as the command line fills it in, its defaults those of `--preset NAME` where there are presets.

    Raises what the dataclass' `__post_init__` does; exits if the command line cannot be read.
    """
    description = (sys.modules[config.__module__].__doc__ or "").strip()
    prog = f"python -m {module_name(config)}"
    finder = argparse.ArgumentParser(add_help=False, exit_on_error=False, allow_abbrev=False)
    finder.add_argument("--preset")
    with contextlib.suppress(argparse.ArgumentError):  # tyro will complain of it, better
        preset = finder.parse_known_args()[0].preset
        if issubclass(config, RunConfig) and preset in config.presets:
            default = config.from_preset(preset)
            return tyro.cli(
                config,
                default=default,
                description=description,
                prog=prog,
                config=(tyro.conf.FlagCreatePairsOff,),
            )
    return tyro.cli(
        config, description=description, prog=prog, config=(tyro.conf.FlagCreatePairsOff,)
    )


@contextlib.contextmanager
def exit_on_error() -> Iterator[None]:
    """Turns our own errors and the file system's into a message and exit status 1, and a second Ctrl-C into 130.

    Of several processes those that end well wait here for the others, and where JAX fails, as it does where another has
    ended, that is said.
    """
    console = Console(stderr=True)
    try:
        try:
            yield
        except SystemExit:
            barrier("the end")
            raise
        barrier("the end")
    except (JaxganError, OSError) as error:
        more = "\nWhat was saved is as it was; once that is mended, the same command goes on."
        print_line(console, f"error: {error}{more if isinstance(error, OSError) else ''}")
        exit_process(1)
    except KeyboardInterrupt:
        print_line(console, "Stopped at once; what was saved is as it was.")
        exit_process(130)
    except (jax.errors.JaxRuntimeError, ValueError) as error:
        if not is_peer_failure(error):
            raise
        print_line(
            console,
            f"error: JAX has failed, as it does where another process has ended: {error}\n"
            "What was saved is as it was; started again, all processes go on.",
        )
        exit_process(1)


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


def python_command(module: str) -> list[str]:
    """The words that start a module from here with the Python that is running."""
    python = Path(sys.executable)
    return [
        str(python.relative_to(Path.cwd())) if python.is_relative_to(Path.cwd()) else "python",
        "-m",
        module,
    ]
