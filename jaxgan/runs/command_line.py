"""Command lines: parsing into a configuration, errors as messages, exit statuses.

Only this module, `option_groups` and the subcommands of `jaxgan.cli` import tyro.
"""

import argparse
import contextlib
import os
import select
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import jax
import tyro

from jaxgan.distributed.multihost import barrier, exit_process, is_peer_failure
from jaxgan.errors import ConfigError, JaxganError
from jaxgan.runs.config import ConfigT, RunConfig
from jaxgan.runs.console import print_line
from jaxgan.runs.option_groups import flatten_groups, make_grouped_type, set_help

T = TypeVar("T")

BROKEN_PIPE_STATUS = 141  # 128 + SIGPIPE


def parse_cli(config_type: type[T], arguments: Sequence[str] | None = None) -> T:
    """Parses a command line into a dataclass.

    For a `RunConfig`, `--preset NAME` sets the defaults, and the help lists the options in groups.
    Exits if the command line cannot be parsed. Errors of the dataclass, such as ConfigError for a
    value out of range, are passed on.

    Args:
      config_type: The dataclass. The docstring of its module is the description in the help.
      arguments: The arguments of the command line. None for those of this process.
    """
    options: dict[str, Any] = {
        "args": arguments,
        "description": (sys.modules[config_type.__module__].__doc__ or "").strip(),
        "prog": f"python -m {module_name(config_type)}",
        "config": (tyro.conf.FlagCreatePairsOff, tyro.conf.OmitArgPrefixes),
    }
    if not issubclass(config_type, RunConfig):
        set_help(config_type)
        return tyro.cli(config_type, **options)
    grouped = make_grouped_type(default_config(config_type, arguments))
    return config_type(**flatten_groups(tyro.cli(grouped, **options)))


def default_config(config_type: type[ConfigT], arguments: Sequence[str] | None = None) -> ConfigT:
    """Returns the configuration of the preset that the command line names, or the default."""
    finder = argparse.ArgumentParser(add_help=False, exit_on_error=False, allow_abbrev=False)
    finder.add_argument("--preset")
    with contextlib.suppress(argparse.ArgumentError):  # tyro reports it with a better message
        preset = finder.parse_known_args(arguments)[0].preset
        if preset in config_type.presets:
            return config_type.from_preset(preset)
    return config_type()


@contextlib.contextmanager
def exit_on_error(*, resumable: bool = True) -> Iterator[None]:
    """Turns errors of a program into a message and an exit status.

    Errors of jaxgan and of the file system exit with status 1, a second Ctrl-C with 130. If the
    program that reads the output has ended, such as `head`, the exit status is 141, without a
    message, as for other Unix programs. In a run of several processes, those that end normally wait
    for the others; JAX errors that follow from the end of another process are reported as such.

    Args:
      resumable: Whether the program trains a run, which the same command resumes after an error of
        the file system.
    """
    try:
        try:
            yield
            sys.stdout.flush()
        except SystemExit:
            barrier("exit")
            raise
        barrier("exit")
    except (JaxganError, OSError) as error:
        if isinstance(error, BrokenPipeError) and is_output_closed():
            # What is still buffered would raise the same error when Python ends.
            with open(os.devnull, "w") as null:
                os.dup2(null.fileno(), sys.stdout.fileno())
            exit_process(BROKEN_PIPE_STATUS)
        hint = (
            "\nExisting checkpoints are untouched. Fix the problem and run the same command to "
            "resume."
        )
        print_line(
            f"error: {error}{hint if resumable and isinstance(error, OSError) else ''}", stderr=True
        )
        exit_process(1)
    except KeyboardInterrupt:
        print_line("Stopped immediately. Existing checkpoints are untouched.", stderr=True)
        exit_process(130)
    except (jax.errors.JaxRuntimeError, ValueError) as error:
        if not is_peer_failure(error):
            raise
        print_line(
            f"error: JAX failed, probably because another process of the run has ended: {error}\n"
            "Existing checkpoints are untouched. Start all processes again to resume.",
            stderr=True,
        )
        exit_process(1)


def is_output_closed() -> bool:
    """Returns whether the output is a pipe, and the program that reads it has ended."""
    try:
        poll = select.poll()
        poll.register(sys.stdout.fileno(), select.POLLOUT)
    except OSError:  # standard output was replaced by an object without a file
        return False
    return any(event & (select.POLLERR | select.POLLHUP) for _, event in poll.poll(0))


def module_name(defined: Any) -> str:
    """Returns the importable name of the module that defines a class or function."""
    if defined.__module__ != "__main__":
        return defined.__module__
    spec = sys.modules["__main__"].__spec__
    if spec is None:
        raise ConfigError(
            "the experiment was started as a file; start it as a module, python -m "
            "experiments.NAME, so that its runs can import it again"
        )
    return spec.name


def python_command(module: str) -> list[str]:
    """Returns the arguments of a command that runs a module with this Python in this directory."""
    python = Path(sys.executable)
    inside = python.is_relative_to(Path.cwd())
    return [str(python.relative_to(Path.cwd())) if inside else "python", "-m", module]
