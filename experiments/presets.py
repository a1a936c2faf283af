"""Compares the presets of an image experiment over several seeds, by running its command.

    python -m experiments.presets --system mnist_mlp

Every preset is trained from five seeds for the documented number of steps. The command prints every
score after the requested steps as Markdown (mean ± standard error over the seeds), and draws the
Fréchet distance against the train step and the last samples of each preset's first seed. Finished
runs are not trained again.
"""

import dataclasses
import importlib
from pathlib import Path

import numpy as np

from experiments.shared import run_experiment
from jaxgan.data.image_datasets import DEFAULT_DATA_DIR, load_split
from jaxgan.errors import ConfigError
from jaxgan.evaluation import SCORES, format_mean_sem, markdown_table
from jaxgan.plotting import images, learning_curves
from jaxgan.plotting.sample_files import saved_files
from jaxgan.runs.command_line import exit_on_error, parse_cli
from jaxgan.runs.config import ImageRunConfig
from jaxgan.runs.console import print_line
from jaxgan.runs.image_evaluation import load_evaluator
from jaxgan.training import metric_log
from jaxgan.training.options import check_ranges


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of the comparison."""

    system: str = "mnist_mlp"
    """Name of an image experiment in `experiments`."""
    presets: tuple[str, ...] = ("faithful", "tuned")
    """Presets to compare."""
    num_seeds: int = 5
    """Number of seeds per preset: SEED, SEED + 1, …"""
    seed: int = 0
    """First seed."""
    dataset: str = "mnist"
    """Data set; see the options of the experiment."""
    data_dir: Path = DEFAULT_DATA_DIR
    """Directory of the prepared data sets."""
    epochs: int | None = None
    """Epochs of each run. Unset: the documented length."""
    steps: int | None = None
    """Train steps of each run. Unset: the length is given by epochs."""
    evaluate_every: int = 1
    """Epochs between evaluations."""
    report_steps: tuple[int, ...] = ()
    """Evaluated train steps to report in the table. Unset: the last one."""
    workdir: Path = Path("runs/presets")
    """Directory of the runs."""

    def __post_init__(self):
        """Raises ConfigError if an option is out of range, or a system or preset is unknown."""
        check_ranges(self)
        check_system(self.system, self.presets)


def check_system(system: str, presets: tuple[str, ...]) -> None:
    """Raises ConfigError if there is no such experiment on images, or it has no such preset."""
    try:
        config_type = importlib.import_module(f"experiments.{system}").Config
    except (ImportError, AttributeError):
        config_type = object
    if not issubclass(config_type, ImageRunConfig):
        raise ConfigError(
            f"system is {system!r}, expected an experiment on images, such as mnist_mlp"
        )
    if not presets:
        raise ConfigError("there are no presets, expected at least one, such as tuned")
    for preset in presets:
        config_type.from_preset(preset)


def main() -> None:
    """Trains the missing runs, then draws and prints the comparison."""
    with exit_on_error():
        config = parse_cli(Config)
        data = load_split(config.dataset, config.data_dir)
        real_baseline = load_evaluator(data, config.data_dir, features="classifier").real_baseline
        scores = {preset: train_and_load_scores(preset, config) for preset in config.presets}
        distances_path = config.workdir / f"{config.system}.png"
        learning_curves.save_score_bands(
            distances_path,
            scores,
            "frechet_distance",
            float(np.mean(real_baseline["frechet_distance"])),
            f"{config.system} on {config.dataset} · "
            f"{config.num_seeds} seeds, mean ± standard error",
        )
        samples_path = config.workdir / f"{config.system}_samples.png"
        first_runs = [list_run_dirs(preset, config)[0] for preset in config.presets]
        last_samples = [saved_files(run / "samples", ".png")[-1] for run in first_runs]
        images.save_side_by_side(samples_path, last_samples)
        table = format_table(scores, real_baseline, config)
        print_line(f"{table}\n\nFigures: {distances_path}, {samples_path}")


def train_and_load_scores(preset: str, config: Config) -> dict[str, np.ndarray]:
    """Trains the missing runs of a preset and returns the scores of all of them.

    Returns:
      `{column: [num_seeds, evaluations]}`: every score, `step`, and `minutes` of training.

    Raises:
      ConfigError: If the runs were not evaluated at the same steps.
      TrainingError: If a run fails.
    """
    runs = list_run_dirs(preset, config)
    for i, run in enumerate(runs):
        train_run(preset, config.seed + i, run, config)
    columns = [metric_log.read_columns(run / "scores.jsonl") for run in runs]
    timings = [metric_log.read_columns(run / "timing.jsonl") for run in runs]
    if len({tuple(column["step"]) for column in columns}) > 1:
        raise ConfigError(
            f"the runs of {preset} in {config.workdir} were evaluated at different steps; "
            "use another --workdir"
        )
    minutes = [
        np.interp(column["step"], timing["step"], np.cumsum(timing["seconds"])) / 60
        for column, timing in zip(columns, timings, strict=True)
    ]
    scores = {name: np.stack([column[name] for column in columns]) for name in columns[0]}
    return scores | {"minutes": np.stack(minutes)}


def list_run_dirs(preset: str, config: Config) -> list[Path]:
    """Returns the run directories of a preset, one per seed."""
    return [
        config.workdir / config.system / f"{preset}-{config.seed + i}"
        for i in range(config.num_seeds)
    ]


def train_run(preset: str, seed: int, workdir: Path, config: Config) -> None:
    """Trains one run in a process of its own. Raises TrainingError if the process fails."""
    options: dict[str, object] = {
        "--preset": preset,
        "--seed": seed,
        "--workdir": workdir,
        "--dataset": config.dataset,
        "--data-dir": config.data_dir,
        "--evaluate-every": config.evaluate_every,
    }
    if config.epochs is not None:
        options["--epochs"] = config.epochs
    if config.steps is not None:
        options["--steps"] = config.steps
    arguments = [str(part) for option in options.items() for part in option]
    print(f"\n{config.system} --preset {preset} --seed {seed}", flush=True)
    run_experiment(config.system, f"experiments.{config.system}", arguments)


def format_table(
    scores: dict[str, dict[str, np.ndarray]], real_baseline: dict[str, list[float]], config: Config
) -> str:
    """Returns a Markdown table: one row per preset and reported step, and one of real images."""
    header = ["preset", "train steps", "minutes", *(spec.label for spec in SCORES.values())]
    rows = []
    for preset, columns in scores.items():
        steps = columns["step"][0].astype(int).tolist()
        for i in [steps.index(step) for step in config.report_steps if step in steps] or [-1]:
            cells = [
                format_mean_sem(columns[name][:, i], spec.digits) for name, spec in SCORES.items()
            ]
            minutes = format_mean_sem(columns["minutes"][:, i], 1)
            rows.append([preset, f"{steps[i]:,}", minutes, *cells])
    cells = [
        format_mean_sem(np.array(real_baseline[name]), spec.digits) for name, spec in SCORES.items()
    ]
    rows.append(["real images", "", "", *cells])
    return markdown_table(header, rows)


if __name__ == "__main__":
    main()
