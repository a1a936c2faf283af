"""Writes the report of a run, or a comparison of several runs, as a self-contained HTML page.

The report has the samples over training, the losses, the findings, the scores and a latent
explorer. A comparison has the curves of all runs in common charts, and the settings in which the
runs differ. A page needs no server and no network.
"""

import dataclasses
from pathlib import Path
from typing import Annotated, Any

import jax
import numpy as np
import tyro

from jaxgan.cli.loading import check_seeds, load_run_with_precision
from jaxgan.errors import CheckpointError, ConfigError
from jaxgan.report import write_comparison, write_report
from jaxgan.report.explorer import DEFAULT_SEEDS, make_explorer
from jaxgan.runs.console import print_line
from jaxgan.runs.loading import Run
from jaxgan.training.options import check_ranges


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of `jaxgan report`."""

    workdirs: Annotated[
        tyro.conf.Positional[tuple[Path, ...]],
        tyro.conf.arg(metavar="PATH [PATH ...]", help_behavior_hint="(required)"),
    ]
    """Directory of the run, or directories of several runs to compare."""
    out: Path | None = None
    """File to write, ending in .html. Unset: report.html in the run's directory; required for
    several runs."""
    seeds: tuple[int, int, int, int] = DEFAULT_SEEDS
    """Seeds of the latent vectors at the corners of the latent explorer's first plane; the same as
    those of jaxgan sample --seeds."""
    member: int = 0
    """Index of the GAN that the latent explorer shows, from 0, in a run with --num-seeds."""

    def __post_init__(self):
        """Raises ConfigError at the first option that is invalid."""
        check_ranges(self)
        check_seeds(self.seeds)
        if not self.workdirs:
            raise ConfigError("no run is given, expected at least one; name its directory")
        if self.out is not None and self.out.suffix != ".html":
            raise ConfigError(f"out is {self.out}, expected a file name that ends in .html")
        if self.out is None and len(self.workdirs) > 1:
            raise ConfigError(
                f"{len(self.workdirs)} runs are given without a file to write; add --out FILE.html"
            )


def run(config: Config) -> None:
    """Writes the page and prints its path."""
    first, *others = config.workdirs
    if others and config.out is not None:
        path = write_comparison(config.workdirs, config.out)
    else:
        path = report_single(first, config)
    print_line(f"Report: {path}")


def report_single(workdir: Path, config: Config) -> Path:
    """Writes the report of one run, without a latent explorer if its GAN cannot be loaded."""
    explorer, facts, note = None, {}, None
    try:
        loaded = load_run_with_precision(workdir, None, config.member)
    except (CheckpointError, ConfigError) as error:
        note = f"The page has no latent explorer: {error}"
    else:
        state = loaded.state
        variables = state.g.variables if state.g_ema is None else state.g_ema
        name = loaded.config.get("data", {}).get("name")
        explorer = make_explorer(loaded.gan, variables, name, loaded.class_names, config.seeds)
        facts = {"parameters": count_parameters(loaded)}
    path = write_report(workdir, config.out, explorer=explorer, facts=facts)
    if note is not None:
        print_line(note)
    return path


def count_parameters(loaded: Run) -> str:
    """Returns the numbers of parameters of both networks as text, such as `D 1,000, G 2,000`."""

    def count(tree: Any) -> int:
        return sum(int(np.size(x)) for x in jax.tree.leaves(tree))

    return f"D {count(loaded.state.d.params):,}, G {count(loaded.state.g.params):,}"
