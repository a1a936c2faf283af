"""Loading of runs, shared by the subcommands."""

from pathlib import Path
from typing import Literal

import jax

from jaxgan.runs.loading import Run, load_run
from jaxgan.training.config_file import read_config


def load_run_with_precision(workdir: Path, step: int | Literal["best"] | None, member: int) -> Run:
    """Loads a run like `load_run`, after enabling 64-bit types if the run needs them."""
    config = read_config(workdir) or {}
    jax.config.update("jax_enable_x64", config.get("train", {}).get("x64", False))
    return load_run(workdir, step, member=member)
