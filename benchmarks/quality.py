"""Measures the Fréchet distance of samples against the training time, over several seeds.

    python -m benchmarks.quality

A run is given as the command line of an experiment on MNIST without `python -m experiments.`, such
as "mnist_cnn --preset tuned". It is trained with each of several seeds. After each interval of
training time, 10,000 samples are scored in the features of the MNIST classifier; they are drawn
from the moving average of the generator if there is one. Compilation and scoring are not part of
the training time.

With `--pytorch-steps 600`, the tutorial's `mnist_cnn` is also trained in PyTorch, with one seed,
for 600 train steps. Writes quality.json, quality.md (tables) and quality.png to the workdir.
"""

import dataclasses
import importlib
import shlex
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np

from benchmarks.jax_worker import JaxWorker
from benchmarks.quality_report import Curve, format_curve, markdown_tables, save_plot
from benchmarks.worker_process import start_worker
from jaxgan._io import write_atomic, write_json
from jaxgan.data.image_datasets import DEFAULT_DATA_DIR, load_split
from jaxgan.data.sources import array_source
from jaxgan.data.splits import Images
from jaxgan.errors import ConfigError
from jaxgan.evaluation.classifier import load_or_train_classifier
from jaxgan.metrics import frechet
from jaxgan.runs.command_line import exit_on_error, parse_cli
from jaxgan.runs.config import ImageRunConfig
from jaxgan.runs.console import print_line
from jaxgan.runs.runtime import configure_jax
from jaxgan.training.options import check_ranges

NUM_CLASSES = 10
NUM_SAMPLES = 10_000
STEPS_PER_CALL = 10  # train steps between two readings of the clock
PYTORCH_RUN = "mnist_cnn in PyTorch"


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of the measurements."""

    runs: tuple[str, ...] = (
        "mnist_cnn",
        "mnist_cnn --preset tuned",
        "mnist_cnn --preset quick",
        "mnist_cnn --preset quick --conditional",
        "mnist_mlp --preset tuned",
    )
    """Command lines of experiments. All are trained for --seconds; their numbers of steps are
    ignored."""
    num_seeds: int = 5
    """Number of seeds per run: its own seed and the following ones."""
    seconds: float = 60.0
    """Training time per seed, in seconds."""
    interval: float = 10.0
    """Training time between two scores, in seconds."""
    levels: tuple[float, ...] = (100.0, 50.0, 20.0, 10.0)
    """Fréchet distances; a table has the training time at which each is reached."""
    pytorch_steps: int | None = None
    """Train steps of the tutorial's mnist_cnn in PyTorch. Unset: it is not trained."""
    data_dir: Path = DEFAULT_DATA_DIR
    """Directory of the prepared data sets."""
    workdir: Path = Path("runs/quality")
    """Directory for the results."""

    def __post_init__(self):
        """Raises ConfigError if an option is out of its range."""
        check_ranges(self)
        if not self.seconds >= self.interval > 0:
            raise ConfigError(
                f"interval is {self.interval:g} and seconds is {self.seconds:g}, expected an "
                "interval above 0 and at most the seconds"
            )


def main() -> None:
    """Trains and scores every run, and writes the results."""
    with exit_on_error():
        config = parse_cli(Config)
        digits = load_split("mnist", config.data_dir)
        runs = {run: parse_run(run, config.data_dir) for run in config.runs}
        compute_distance = make_distance_fn(digits, config.data_dir)
        curves: dict[str, list[Curve]] = {}
        for run, (module, run_config) in runs.items():
            for seed in range(run_config.seed, run_config.seed + config.num_seeds):
                train, sample = make_run(module, dataclasses.replace(run_config, seed=seed), digits)
                curve = measure_curve(
                    train, sample, compute_distance, config.seconds, config.interval
                )
                curves.setdefault(run, []).append(curve)
                print_line(f"{run}, seed {seed}: {format_curve(curve)}")
                write_results(config, curves)
                jax.clear_caches()
        if config.pytorch_steps:
            curve = measure_pytorch(config.pytorch_steps, digits.images, compute_distance)
            print_line(f"{PYTORCH_RUN}: {format_curve(curve)}")
            curves[PYTORCH_RUN] = [curve]
            write_results(config, curves)
        print_line(markdown_tables(curves, config.levels))


def parse_run(run: str, data_dir: Path) -> tuple[str, ImageRunConfig]:
    """Returns the module of a run's experiment, and its configuration.

    Raises:
      ConfigError: If there is no such experiment, or it does not train on images.
    """
    name, *arguments = shlex.split(run) or [""]
    try:
        module = importlib.import_module(f"experiments.{name}")
    except ModuleNotFoundError:
        raise ConfigError(
            f"there is no experiment {name!r} in the run {run!r}; name a module of experiments/"
        ) from None
    if not issubclass(getattr(module, "Config", object), ImageRunConfig):
        raise ConfigError(
            f"experiments.{name} cannot be trained on MNIST, expected an experiment on images, "
            "such as mnist_cnn"
        )
    config = parse_cli(module.Config, arguments)
    return module.__name__, dataclasses.replace(config, data_dir=data_dir)


def make_distance_fn(digits: Images, data_dir: Path) -> Callable[[np.ndarray], float]:
    """Returns `samples [N, 28, 28, 1] -> Fréchet distance` from all digits."""
    classifier = load_or_train_classifier("mnist", data_dir, data=digits)

    def compute_moments(images):
        return frechet.feature_moments(classifier.extract(images).features)

    real_moments = compute_moments(digits.images)
    return lambda samples: float(frechet.frechet_distance(real_moments, compute_moments(samples)))


def make_run(
    module: str, config: ImageRunConfig, digits: Images
) -> tuple[Callable[[int], float], Callable[[int], np.ndarray]]:
    """Returns the functions that train and sample a run.

    Args:
      module: Module of its experiment.
      config: Its configuration.
      digits: MNIST.

    Returns:
      `(train_fn, sample_fn)`, see `measure_curve`. The samples of a conditional GAN have the labels
      of the first digits.
    """
    configure_jax(config)
    labels = None
    if config.conditional:
        config, labels = dataclasses.replace(config, num_classes=NUM_CLASSES), digits.labels
    source = array_source(digits.images, config.batch_size, labels=labels)
    worker = JaxWorker(importlib.import_module(module).build(config), source, config)
    worker.train(1)  # compiles, so it is not part of the training time

    def train(steps):
        start = time.perf_counter()
        worker.train(steps)
        return time.perf_counter() - start

    return train, lambda num: worker.sample(num, None if labels is None else labels[:num])


def measure_curve(
    train_fn: Callable[[int], float],
    sample_fn: Callable[[int], np.ndarray],
    distance_fn: Callable[[np.ndarray], float],
    seconds: float,
    interval: float,
) -> Curve:
    """Trains a GAN, and scores its samples after each interval of training time.

    Args:
      train_fn: `steps -> seconds`, trains for a number of train steps and returns the duration.
      sample_fn: `num -> samples [num, H, W, C]`.
      distance_fn: `samples -> Fréchet distance`.
      seconds: Total training time, in seconds.
      interval: Training time between two scores, in seconds.

    Returns:
      A row for each score: [train step, training time in seconds, Fréchet distance].
    """
    step, elapsed, curve = 0, 0.0, []
    while elapsed < seconds:
        mark = interval * (len(curve) + 1)
        while elapsed < mark:
            elapsed += train_fn(STEPS_PER_CALL)
            step += STEPS_PER_CALL
        curve.append([step, elapsed, distance_fn(sample_fn(NUM_SAMPLES))])
    return curve


def measure_pytorch(
    steps: int, images: np.ndarray, distance_fn: Callable[[np.ndarray], float]
) -> Curve:
    """Trains the tutorial's mnist_cnn in PyTorch, and scores its samples at the end."""
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        np.save(scratch / "images.npy", images)
        with start_worker("PyTorch", "mnist_cnn", scratch, scratch, scratch) as process:
            process.ask("train", 1)
            seconds = process.ask("train", steps)["seconds"]
            process.ask("sample", NUM_SAMPLES, scratch / "samples.npy")
        return [[steps, seconds, distance_fn(np.load(scratch / "samples.npy"))]]


def write_results(config: Config, curves: dict[str, list[Curve]]) -> None:
    """Writes quality.json, quality.md and quality.png."""
    config.workdir.mkdir(parents=True, exist_ok=True)
    write_json(config.workdir / "quality.json", curves)
    tables = markdown_tables(curves, config.levels)
    write_atomic(config.workdir / "quality.md", f"{tables}\n".encode())
    save_plot(config.workdir / "quality.png", curves)


if __name__ == "__main__":
    main()
