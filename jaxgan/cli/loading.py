"""Loading of runs, and the choice of a checkpoint, shared by the subcommands."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import jax

from jaxgan.errors import ConfigError
from jaxgan.runs.loading import Run, load_run
from jaxgan.training.config_file import read_config
from jaxgan.training.options import MAX_SEED


def load_run_with_precision(workdir: Path, step: int | Literal["best"] | None, member: int) -> Run:
    """Loads a run like `load_run`, after enabling 64-bit types if the run needs them."""
    config = read_config(workdir) or {}
    jax.config.update("jax_enable_x64", config.get("train", {}).get("x64", False))
    return load_run(workdir, step, member=member)


def choose_step(step: int | None, best: bool) -> int | Literal["best"] | None:
    """Returns the checkpoint that --step and --best choose, in the form that `load_run` takes.

    Raises:
      ConfigError: If both are given.
    """
    if best and step is not None:
        raise ConfigError(f"--best and --step {step} are both given; leave out one")
    return "best" if best else step


def check_seeds(seeds: Sequence[int]) -> None:
    """Raises ConfigError if there is no seed, or one is out of range."""
    if not seeds or not all(0 <= seed <= MAX_SEED for seed in seeds):
        raise ConfigError(
            f"seeds is {' '.join(map(str, seeds)) or 'empty'}, expected one or more integers from "
            f"0 to {MAX_SEED:,}"
        )
