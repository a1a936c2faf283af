"""Training time until the samples reach a target Fréchet distance."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.systems import SYSTEMS, System
from benchmarks.worker_process import FIRST_STEPS, WorkerProcess, start_worker
from jaxgan.data.image_datasets import load_split
from jaxgan.errors import ConfigError
from jaxgan.evaluation.classifier import load_or_train_classifier
from jaxgan.metrics import frechet

NUM_SAMPLES = 10_000
IMAGES_PER_EVALUATION = 6_000


def measure_time_to_quality(
    name: str,
    frameworks: tuple[str, ...],
    target: float,
    time_limit: float,
    data_dir: Path,
    scratch: Path,
) -> dict[str, list[list[float]]]:
    """Trains a system in each framework until its samples reach a target Fréchet distance.

    Args:
      name: Key of `SYSTEMS`; must generate images.
      frameworks: Some of `FRAMEWORKS`.
      target: Fréchet distance at which training ends.
      time_limit: Seconds of training after which it ends in any case.
      data_dir: Directory of the prepared data sets.
      scratch: Directory of temporary files; contains images.npy.

    Returns:
      For each framework, a list of [train steps, seconds of training, Fréchet distance].

    Raises:
      ConfigError: If the system does not generate images.
    """
    if not SYSTEMS[name].images:
        names = ", ".join(name for name, system in SYSTEMS.items() if system.images)
        raise ConfigError(f"{name} has no Fréchet distance; choose a system of images: {names}")
    classifier = load_or_train_classifier("mnist", data_dir)

    def moments(images):
        return frechet.feature_moments(classifier.extract(images).features)

    real_moments = moments(load_split("mnist", data_dir).images)

    def distance_fn(samples):
        return float(frechet.frechet_distance(real_moments, moments(samples)))

    curves = {}
    for framework in frameworks:
        cache, path = scratch / f"cache-{name}", scratch / "samples.npy"
        with start_worker(framework, name, data_dir, scratch, cache) as process:
            curves[framework] = train_to_target(
                process, SYSTEMS[name], path, distance_fn, target, time_limit
            )
    return curves


def train_to_target(
    process: WorkerProcess,
    system: System,
    path: Path,
    distance_fn: Callable[[np.ndarray], float],
    target: float,
    time_limit: float,
) -> list[list[float]]:
    """Trains in a worker until the target distance or the time limit is reached.

    The samples are evaluated after every 6,000 images or every round of train steps, whichever is
    longer. Evaluation does not count as training time.

    Returns:
      A list of [train steps, seconds of training, Fréchet distance], one for each evaluation.
    """
    stride = max(
        system.steps_per_round, IMAGES_PER_EVALUATION // (system.batch_size * system.d_steps)
    )
    step, seconds, distance, curve = 0, 0.0, float("inf"), []
    process.ask("train", FIRST_STEPS)  # compiles before the clock starts
    while distance > target and seconds < time_limit:
        seconds += process.ask("train", stride)["seconds"]
        step += stride
        process.ask("sample", NUM_SAMPLES, path)
        distance = distance_fn(np.load(path))
        curve.append([step, seconds, distance])
    return curve
