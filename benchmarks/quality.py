"""How long both sides of a comparison train until their samples are good."""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from benchmarks.processes import FIRST_STEPS, Process, started
from benchmarks.systems import SYSTEMS, System
from jaxgan.data.image_datasets import load_split
from jaxgan.errors import ConfigError
from jaxgan.evaluation.classifier import load_or_train_classifier
from jaxgan.metrics import frechet

SAMPLES = 10_000


def quality(
    name: str, sides: tuple[str, ...], aim: float, limit: float, data_dir: Path, scratch: Path
) -> dict[str, list[list[float]]]:
    """Of each side: [train steps, seconds of training, Fréchet distance] as it went, until good or out of time.

    Raises ConfigError where the system does not learn images.
    """
    if not SYSTEMS[name].images:
        raise ConfigError(f"{name} has no Fréchet distance; give a system that learns images")
    features = load_or_train_classifier("mnist", data_dir)
    real = frechet.feature_moments(features.outputs(load_split("mnist", data_dir).images).features)

    def distance(samples):
        return float(
            frechet.frechet_distance(
                real, frechet.feature_moments(features.outputs(samples).features)
            )
        )

    found = {}
    for side in sides:
        with started(side, name, data_dir, scratch, scratch / f"cache-{name}") as process:
            found[side] = approach(
                process, SYSTEMS[name], scratch / "samples.npy", distance, aim, limit
            )
    return found


def approach(
    process: Process,
    system: System,
    path: Path,
    distance_of: Callable[[np.ndarray], float],
    aim: float,
    limit: float,
) -> list[list[float]]:
    """[train steps, seconds of training, Fréchet distance] of a side, every 6,000 images or round's steps."""
    stride = max(system.steps, 6_000 // (system.batch * system.d_steps))
    step, seconds, distance, found = 0, 0.0, float("inf"), []
    process.ask("train", FIRST_STEPS)  # compiled before the clock starts
    while distance > aim and seconds < limit:
        seconds += process.ask("train", stride)["seconds"]
        step += stride
        process.ask("sample", SAMPLES, path)
        distance = distance_of(np.load(path))
        found.append([step, seconds, distance])
    return found
