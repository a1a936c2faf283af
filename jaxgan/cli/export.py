"""Exports the generator of a run to a directory that needs only JAX to load.

Writes the generator, or its moving average if the run keeps one, as functions for CPUs, GPUs and
TPUs: from latent vectors, and classes if there are any, to samples, for batches of any size; and
from a key to a fixed number of samples. Beside them are the weights by name, a JSON file with
shapes, range, classes, data, scores and versions, and a README with the code that loads the
functions. A release of JAX loads the exports of releases up to six months older; the checkpoints of
the run stay readable.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

import tyro

from jaxgan.cli.loading import choose_step, load_run_with_precision
from jaxgan.export import export_run
from jaxgan.runs.console import print_line
from jaxgan.runs.loading import Run
from jaxgan.training.metric_log import read_columns
from jaxgan.training.options import check_ranges


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of `jaxgan export`."""

    workdir: tyro.conf.Positional[Path]
    """Directory of the run."""
    out: Path | None = None
    """Directory to write; an earlier export there is replaced. Unset: export/ in the run's
    directory."""
    num: int = 64
    """Number of samples that the function of a key draws."""
    step: int | None = None
    """Train step of the checkpoint. Unset: the latest."""
    best: bool = False
    """Export the checkpoint with the best scores of the run; see --evaluate-every."""
    member: int = 0
    """Index of the GAN in a run with --num-seeds, from 0."""

    def __post_init__(self):
        """Raises ConfigError at the first option that is invalid."""
        check_ranges(self)
        choose_step(self.step, self.best)


def run(config: Config) -> None:
    """Exports a run, and prints where the files are."""
    step = choose_step(config.step, config.best)
    loaded = load_run_with_precision(config.workdir, step, config.member)
    out = config.workdir / "export" if config.out is None else config.out
    scores = find_scores(config.workdir, loaded, config.member)
    record = export_run(loaded, out, num=config.num, scores=scores)
    average = "the moving average of the generator" if record["moving_average"] else "the generator"
    print_line(
        f"Exported {average} at step {loaded.step:,} to {out}. {out}/README.md has the code that "
        "loads it with JAX alone.\n"
        f"Its samples differ from those of the run by at most {record['difference']:.1g}.\n"
        f"Releases of JAX up to six months newer than {record['versions']['jax']} load it; export "
        "the run again after that."
    )


def find_scores(workdir: Path, loaded: Run, member: int) -> dict[str, Any] | None:
    """Returns the scores of the exported checkpoint by the files that contain them."""
    scores: dict[str, Any] = {}
    path = workdir / "evaluation.json"
    if path.exists():
        record = json.loads(path.read_text())
        if (record["step"], record["member"]) == (loaded.step, member):
            name = "generator" if loaded.state.g_ema is None else "average"
            evaluated = {key: record[key] for key in ("num_draws", "evaluator", "real_baseline")}
            scores["evaluation.json"] = evaluated | {"scores": record["generators"][name]}
    columns = read_columns(workdir / "scores.jsonl")
    for i, step in enumerate(columns.pop("step", ())):
        if step == loaded.step:
            scores["scores.jsonl"] = {name: column[i].item() for name, column in columns.items()}
    return scores or None
