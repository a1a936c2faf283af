"""Compares the presets of a system over several seeds, by its own command.

`python -m experiments.presets --system mnist_mlp` trains every preset from five seeds at the documented length, and
prints every score after some epochs: mean ± standard error over the seeds, as Markdown. It draws the Fréchet distance
against the train step, and the first seeds' last samples. Runs that are finished are not trained again.
"""

import dataclasses
import subprocess
import sys
from pathlib import Path

import numpy as np
from rich.console import Console

from jaxgan.data.image_datasets import DEFAULT_DATA_DIR, load_split
from jaxgan.errors import ConfigError, TrainingError
from jaxgan.evaluation.evaluator import SCORES
from jaxgan.evaluation.tables import format_mean_sem, markdown_table
from jaxgan.plotting import figures, images
from jaxgan.plotting.callbacks import saved_files
from jaxgan.runs.command_line import exit_on_error, parse_cli
from jaxgan.runs.config import check_ranges
from jaxgan.runs.console import print_line
from jaxgan.runs.image_runner import load_evaluator
from jaxgan.training import metric_log


@dataclasses.dataclass(frozen=True)
class Config:
    """What to compare, and for how long."""

    system: str = "mnist_mlp"
    """Name of an experiment on images."""
    presets: tuple[str, ...] = ("faithful", "tuned")
    """Which of its presets."""
    seeds: int = 5
    """How many of each: SEED, SEED + 1, …"""
    seed: int = 0
    """The first."""
    dataset: str = "mnist"
    """See the experiments."""
    data_dir: Path = DEFAULT_DATA_DIR
    """See the experiments."""
    epochs: int | None = None
    """Epochs of each. Unset: the documented length."""
    evaluate_every: int = 1
    """Epochs from one evaluation to the next."""
    at: tuple[int, ...] = ()
    """Train steps to show in the table, of those that were evaluated. Unset: the last."""
    workdir: Path = Path("runs/presets")
    """Folder of the runs."""

    def __post_init__(self):
        """Raises ConfigError at the first setting that will not do."""
        check_ranges(self)


def main() -> None:
    """Compares as the command line says."""
    with exit_on_error():
        config = parse_cli(Config)
        perfect = load_evaluator(
            load_split(config.dataset, config.data_dir), config.data_dir
        ).perfect
        found = {preset: collect(preset, config) for preset in config.presets}
        caption = (
            f"{config.system} on {config.dataset} · {config.seeds} seeds, mean ± standard error"
        )
        path = config.workdir / f"{config.system}.png"
        figures.save_bands(path, found, "frechet", float(np.mean(perfect["frechet"])), caption)
        samples = config.workdir / f"{config.system}_samples.png"
        images.save_side_by_side(
            samples,
            [
                saved_files(folders(preset, config)[0] / "samples", ".png")[-1]
                for preset in config.presets
            ],
        )
        print_line(Console(), f"{table(found, perfect, config)}\n\nDrawn: {path} and {samples}")


def collect(preset: str, config: Config) -> dict[str, np.ndarray]:
    """The scores of a preset, `[seeds, evaluations]` each, `step` among them; trains what is missing."""
    for i, folder in enumerate(folders(preset, config)):
        run(preset, config.seed + i, folder, config)
    columns = [
        metric_log.read_columns(folder / "scores.jsonl") for folder in folders(preset, config)
    ]
    times = [metric_log.read_columns(folder / "timing.jsonl") for folder in folders(preset, config)]
    minutes = [
        np.interp(c["step"], t["step"], np.cumsum(t["seconds"])) / 60
        for c, t in zip(columns, times, strict=True)
    ]
    if len({tuple(column["step"]) for column in columns}) > 1:
        raise ConfigError(
            f"the runs in {config.workdir} were not evaluated at the same steps; take another --workdir"
        )
    return {name: np.stack([c[name] for c in columns]) for name in columns[0]} | {
        "minutes": np.stack(minutes)
    }


def folders(preset: str, config: Config) -> list[Path]:
    """Of the runs of a preset, a seed each."""
    return [
        config.workdir / config.system / f"{preset}-{config.seed + i}" for i in range(config.seeds)
    ]


def run(preset: str, seed: int, folder: Path, config: Config) -> None:
    """Trains in a process of its own. Raises TrainingError where that fails."""
    options = [
        "--preset",
        preset,
        "--seed",
        str(seed),
        "--workdir",
        str(folder),
        "--dataset",
        config.dataset,
    ]
    options += ["--data-dir", str(config.data_dir), "--evaluate-every", str(config.evaluate_every)]
    options += [] if config.epochs is None else ["--epochs", str(config.epochs)]
    print(f"\n{config.system} --preset {preset} --seed {seed}", flush=True)
    done = subprocess.run(
        [sys.executable, "-m", f"experiments.{config.system}", *options], check=False
    )
    if done.returncode:
        raise TrainingError(
            f"{config.system} ended with status {done.returncode}; mend that, and start this again"
        )


def table(
    found: dict[str, dict[str, np.ndarray]], perfect: dict[str, list[float]], config: Config
) -> str:
    """Markdown: a line for each preset and step."""
    heads = ["preset", "train steps", "minutes", *(measure.label for measure in SCORES.values())]
    lines = []
    for preset, columns in found.items():
        steps = columns["step"][0].astype(int).tolist()
        for i in [steps.index(step) for step in config.at if step in steps] or [-1]:
            cells = [
                format_mean_sem(columns[name][:, i], measure.digits)
                for name, measure in SCORES.items()
            ]
            lines.append(
                [preset, f"{steps[i]:,}", format_mean_sem(columns["minutes"][:, i], 1), *cells]
            )
    cells = [
        format_mean_sem(np.array(perfect[name]), measure.digits) for name, measure in SCORES.items()
    ]
    lines.append(["perfect samples", "", "", *cells])
    return markdown_table(heads, lines)


if __name__ == "__main__":
    main()
