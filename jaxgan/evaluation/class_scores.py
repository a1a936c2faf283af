"""Scores of each class of a conditional GAN, together with those of real images."""

import functools
from collections.abc import Callable, Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.evaluation.classifier import NetworkOutputs, TrainedClassifier
from jaxgan.evaluation.tables import format_mean_sem, text_table
from jaxgan.metrics import frechet

MAX_SAMPLES_PER_CLASS = 1_000
MAX_TABLE_ROWS = 20
MIN_SAMPLES_PER_CLASS = 2  # the covariance needs two


class ClassScores(NamedTuple):
    """Scores of each class, `[K]`.

    Attributes:
      frechet_distance: Fréchet distance between the samples of a class and the real images of the
        class; NaN for a class of fewer than four images.
      accuracy: Fraction of the samples that the classifier assigns to their class, 0 to 1; NaN for
        a class without samples.
    """

    frechet_distance: np.ndarray
    accuracy: np.ndarray


class ClassEvaluator(NamedTuple):
    """Scores samples of a conditional GAN, class by class.

    Attributes:
      condition: int32 `[N]`, the class of each sample that `compute_scores` takes: for each
        class half as many as it has real images, at most 1,000.
      compute_scores: `(samples [N, H, W, C]) -> ClassScores`; samples are floating in [-1, 1].
      compute_real_baseline: `() -> ClassScores` of real images. The Fréchet distance is that of as
        many held-out training images as there are samples. The accuracy is that of test images.
    """

    condition: np.ndarray
    compute_scores: Callable[[jax.typing.ArrayLike], ClassScores]
    compute_real_baseline: Callable[[], ClassScores]


def make_class_evaluator(
    classifier: TrainedClassifier, real: NetworkOutputs, labels: np.ndarray
) -> ClassEvaluator:
    """Creates an evaluator of the samples of each class.

    Args:
      classifier: The classifier.
      real: Its outputs for the training images, `[M, …]`.
      labels: Class indices of the training images, `[M]`, 0 to K - 1.
    """
    rng = np.random.default_rng(0)
    class_rows = [
        rng.permutation(np.nonzero(labels == k)[0]) for k in range(classifier.num_classes)
    ]
    num_held_out = [min(MAX_SAMPLES_PER_CLASS, len(rows) // 2) for rows in class_rows]
    held_out = [rows[:num] for rows, num in zip(class_rows, num_held_out, strict=True)]
    rest = [rows[num:] for rows, num in zip(class_rows, num_held_out, strict=True)]
    condition = np.repeat(np.arange(classifier.num_classes, dtype=np.int32), num_held_out)

    @functools.cache
    def reference_moments():
        return [compute_moments(real.features[rows]) for rows in rest]

    def compute_distances(features):
        """Returns the Fréchet distances `[K]` of features, sorted by class as `condition` is."""
        parts = np.split(np.asarray(features), np.cumsum(num_held_out)[:-1])
        return np.array(
            [
                compute_distance(moments, compute_moments(jnp.asarray(part)))
                for moments, part in zip(reference_moments(), parts, strict=True)
            ]
        )

    def compute_scores(samples):
        outputs = classifier.extract(samples)
        is_correct = np.argmax(np.asarray(outputs.logits), axis=1) == condition
        accuracy = [
            np.mean(part) if len(part) else np.nan
            for part in np.split(is_correct, np.cumsum(num_held_out)[:-1])
        ]
        return ClassScores(compute_distances(outputs.features), np.array(accuracy))

    @functools.cache
    def compute_real_baseline():
        features = real.features[np.concatenate(held_out)]
        return ClassScores(compute_distances(features), np.array(classifier.class_accuracy))

    return ClassEvaluator(condition, compute_scores, compute_real_baseline)


def compute_moments(features: jax.Array) -> frechet.Moments | None:
    """Returns the moments of a class's features `[N, F]`; None if N is below 2."""
    return None if len(features) < MIN_SAMPLES_PER_CLASS else frechet.feature_moments(features)


def compute_distance(a: frechet.Moments | None, b: frechet.Moments | None) -> float:
    """Returns the Fréchet distance of two sets of features; NaN if one has no moments."""
    return np.nan if a is None or b is None else float(frechet.frechet_distance(a, b))


def scores_to_json(scores: ClassScores) -> dict[str, list[float | None]]:
    """Returns the scores as JSON can represent them: None instead of NaN."""
    return {
        name: [None if np.isnan(value) else float(value) for value in values]
        for name, values in scores._asdict().items()
    }


def format_class_table(
    class_names: Sequence[str], draws: Sequence[ClassScores], baseline: ClassScores
) -> str:
    """Returns a table with a row for each of the first 20 classes, and the mean over all classes.

    Args:
      class_names: The name of each class.
      draws: The scores of each draw of samples.
      baseline: The scores of real images.
    """
    rows = [["class", "Fréchet distance", "real images", "accuracy", "real test images"]]
    frechet_distance, accuracy = (np.array(values) for values in zip(*draws, strict=True))
    for k, name in enumerate(class_names[:MAX_TABLE_ROWS]):
        rows.append(
            [
                name,
                format_mean_sem(frechet_distance[:, k], 2),
                f"{baseline.frechet_distance[k]:.2f}",
                format_mean_sem(accuracy[:, k], 4),
                f"{baseline.accuracy[k]:.4f}",
            ]
        )
    rows.append(
        [
            "mean",
            format_mean_sem(np.nanmean(frechet_distance, axis=1), 2),
            f"{np.nanmean(baseline.frechet_distance):.2f}",
            format_mean_sem(np.nanmean(accuracy, axis=1), 4),
            f"{np.nanmean(baseline.accuracy):.4f}",
        ]
    )
    return text_table(rows)
