"""The evaluator: scores of generated samples, together with the scores of real images.

The real baseline consists of held-out images of the training set. They are scored exactly as
generated samples are: the same number of images, compared with the other images, through the same
classifier, over several draws.
"""

import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan._io import write_atomic
from jaxgan.data.classes import find_classes, index_labels
from jaxgan.data.image_datasets import Images
from jaxgan.data.sources import from_pixels
from jaxgan.errors import ConfigError
from jaxgan.evaluation.class_scores import ClassEvaluator, make_class_evaluator
from jaxgan.evaluation.classifier import (
    ClassifierOutputs,
    TrainedClassifier,
    check_evaluation_data,
    compute_data_checksum,
)
from jaxgan.metrics import classes, frechet, kernel, neighbors, ssim

NUM_SAMPLES = 10_000
MIN_SAMPLES = 100
NUM_BASELINE_DRAWS = 5
# Precision, recall, density and coverage use at most this many real and generated images.
NUM_NEIGHBOR_IMAGES = 10_000
NUM_SSIM_PAIRS = 2_000
COPY_QUANTILE = 0.01  # fraction of unseen real images that count as copies of a training image


class ScoreSpec(NamedTuple):
    """How a score is displayed and compared.

    Attributes:
      label: Name in tables and plots.
      digits: Number of decimal digits.
      better: `"higher"` or `"lower"`; None if the real baseline is best.
    """

    label: str
    digits: int
    better: str | None


SCORES = {
    "frechet_distance": ScoreSpec("Fréchet distance", 2, "lower"),
    "kernel_distance": ScoreSpec("kernel distance (KID)", 2, "lower"),
    "classifier_score": ScoreSpec("classifier score", 3, "higher"),
    "precision": ScoreSpec("precision", 3, "higher"),
    "recall": ScoreSpec("recall", 3, "higher"),
    "density": ScoreSpec("density", 3, "higher"),
    "coverage": ScoreSpec("coverage", 3, "higher"),
    "modes_found": ScoreSpec("modes found", 2, "higher"),
    "kl_divergence": ScoreSpec("KL divergence of classes (nats)", 4, "lower"),
    "nearest_distance": ScoreSpec("nearest-neighbor distance", 2, None),
    "copy_rate": ScoreSpec("copy rate", 3, "lower"),
    "intra_class_ssim": ScoreSpec("intra-class SSIM", 3, "lower"),
}


class Reference(NamedTuple):
    """Statistics of the real images that samples are compared with.

    Attributes:
      features: `[M, F]`.
      moments: Mean and covariance of the features.
      class_counts: `[K]`, images of each class according to the classifier, at least 1 each.
      copy_threshold: A sample is a copy if its nearest image is closer than this distance.
    """

    features: jax.Array
    moments: frechet.Moments
    class_counts: jax.Array
    copy_threshold: jax.Array


class Evaluator(NamedTuple):
    """Scores samples that should resemble one data set.

    Attributes:
      num_samples: Number of samples N that `compute_scores` takes.
      compute_scores: `(samples [N, H, W, C]) -> {name: value}`, with the names of `SCORES`; samples
        are floating in [-1, 1].
      real_baseline: `{name: [draws]}`, the scores of held-out real images.
      reference_images: uint8 `[M, H, W, C]`, the training images that samples are compared with.
      record: JSON-serializable description of what the scores depend on: the data set, counts, and
        the classifier's checksums and accuracy.
      find_nearest: `(samples [n, H, W, C]) -> [n]`, for each sample the index of its nearest
        reference image in feature space; any number of samples, uint8 or floating in [-1, 1].
      classes: Scores samples of a conditional GAN class by class.
    """

    num_samples: int
    compute_scores: Callable[[jax.typing.ArrayLike], dict[str, float]]
    real_baseline: dict[str, list[float]]
    reference_images: np.ndarray
    record: dict[str, Any]
    find_nearest: Callable[[jax.typing.ArrayLike], np.ndarray]
    classes: ClassEvaluator


def make_evaluator(
    classifier: TrainedClassifier,
    data: Images,
    num_samples: int | None = None,
    *,
    cache: Path | None = None,
) -> Evaluator:
    """Creates an evaluator of samples that should resemble `data`.

    Args:
      classifier: The classifier whose features and logits are compared.
      data: The training images.
      num_samples: See `resolve_num_samples`.
      cache: Directory that caches the real baseline, which takes some time to compute. The file
        name contains checksums of the data and of the classifier.

    Raises:
      DataError: If the data set is too small, see `check_evaluation_data`.
      ConfigError: If `num_samples` is not 100 to half of the images, or not above the number of
        classes.
    """
    num_samples = resolve_num_samples(data, num_samples)
    if num_samples <= classifier.num_classes:
        # With more samples than classes, some class has two samples, as its SSIM requires.
        raise ConfigError(
            f"num_samples is {num_samples}, expected more than {classifier.num_classes}, the "
            f"number of classes of {data.name}; use a data set with fewer classes or more images"
        )
    real = classifier.classify(data.images)
    held_out, rest = split_indices(np.random.default_rng(0), len(data.images), num_samples)
    reference = make_reference(real, rest, jnp.float32(0))
    unseen_distances = find_neighbors(real.features[held_out], reference)[0]
    copy_threshold = jnp.quantile(unseen_distances, COPY_QUANTILE)
    reference = reference._replace(copy_threshold=copy_threshold)

    def compute_scores(samples):
        return score_outputs(reference, classifier.classify(samples), jnp.asarray(samples))

    def find_nearest(samples):
        return np.asarray(find_neighbors(classifier.classify(samples).features, reference)[1])

    def score_real_images(rng):
        held_out, rest = split_indices(rng, len(data.images), num_samples)
        outputs = jax.tree.map(lambda x: x[held_out], real)
        images = from_pixels(jnp.asarray(data.images[held_out]))
        return score_outputs(make_reference(real, rest, copy_threshold), outputs, images)

    def compute_baseline():
        draws = [score_real_images(np.random.default_rng(1 + i)) for i in range(NUM_BASELINE_DRAWS)]
        return {name: [scores[name] for scores in draws] for name in SCORES}

    if cache is None:
        real_baseline = compute_baseline()
    else:
        parts = (data.name, compute_data_checksum(data), classifier.checksum, num_samples)
        real_baseline = load_or_compute_baseline(
            Path(os.path.expanduser(cache)) / f"{'-'.join(map(str, parts))}.json", compute_baseline
        )
    labels = index_labels(data.labels, find_classes(data.labels).labels)
    record = {
        "dataset": data.name,
        "split": "train",
        "num_images": len(data.images),
        "num_reference_images": len(rest),
        "num_samples": num_samples,
        "data_checksum": compute_data_checksum(data),
        "classifier": {
            "checksum": classifier.checksum,
            "data_checksum": classifier.data_checksum,
            "num_classes": classifier.num_classes,
            "accuracy": classifier.accuracy,
        },
    }
    return Evaluator(
        num_samples=num_samples,
        compute_scores=compute_scores,
        real_baseline=real_baseline,
        reference_images=data.images[rest],
        record=record,
        find_nearest=find_nearest,
        classes=make_class_evaluator(classifier, real, labels),
    )


def resolve_num_samples(data: Images, num_samples: int | None) -> int:
    """Returns the number of samples to evaluate with, after checking it against the data set.

    Args:
      data: The training images. At most half of them are held out for the real baseline, so that
        at least as many remain to compare with.
      num_samples: 100 to half of the images. None for 10,000, or half of the images if these are
        fewer.

    Raises:
      DataError: If the data set is too small, see `check_evaluation_data`.
      ConfigError: If `num_samples` is out of range.
    """
    check_evaluation_data(data)
    half = len(data.images) // 2
    num_samples = min(NUM_SAMPLES, half) if num_samples is None else num_samples
    if not MIN_SAMPLES <= num_samples <= half:
        raise ConfigError(
            f"num_samples is {num_samples}, expected {MIN_SAMPLES} to {half:,} (half of the "
            f"{len(data.images):,} images of {data.name})"
        )
    return num_samples


def split_indices(rng: np.random.Generator, size: int, num: int) -> tuple[np.ndarray, np.ndarray]:
    """Splits 0 to `size` - 1 at random into `num` held-out indices and the remaining ones."""
    order = rng.permutation(size)
    return order[:num], order[num:]


def make_reference(
    real: ClassifierOutputs, rows: np.ndarray, copy_threshold: jax.Array
) -> Reference:
    """Computes the statistics of the given rows of the real images."""
    outputs = jax.tree.map(lambda x: x[rows], real)
    counts = classes.class_counts(jnp.argmax(outputs.logits, axis=1), outputs.logits.shape[1])
    return Reference(
        features=outputs.features,
        moments=frechet.feature_moments(outputs.features),
        # A class that the reference lacks counts as one image, so that the KL divergence is finite.
        class_counts=jnp.maximum(counts, 1),
        copy_threshold=copy_threshold,
    )


def find_neighbors(features: jax.Array, reference: Reference) -> tuple[jax.Array, jax.Array]:
    """Returns distance `[N]` and index `[N]` of the reference nearest to each of `features`."""
    distances, indices = neighbors.nearest_neighbors(features, reference.features, 1)
    return distances[:, 0], indices[:, 0]


def score_outputs(
    reference: Reference, fake: ClassifierOutputs, images: jax.Array
) -> dict[str, float]:
    """Computes every score of N samples.

    Args:
      reference: Statistics of the real images.
      fake: The classifier's outputs for the samples.
      images: The samples, `[N, H, W, C]`, floating in [-1, 1].

    Returns:
      `{name: value}`, in the order of `SCORES`.
    """
    # Recall and coverage depend on both sample sizes, so as many real images as samples are used.
    real_part = reference.features[: min(NUM_NEIGHBOR_IMAGES, len(fake.features))]
    fake_part = fake.features[:NUM_NEIGHBOR_IMAGES]
    # The first of the six neighbors is the image itself, so column k is the k-th nearest other one.
    radii = neighbors.nearest_neighbors(real_part, real_part, 6)[0]
    distances, _ = find_neighbors(fake.features, reference)
    labels = jnp.argmax(fake.logits, axis=1)
    counts = classes.class_counts(labels, fake.logits.shape[1])
    # A class is found if it has a tenth of the samples that it would have in a uniform mixture.
    min_count = max(1, len(labels) // (10 * len(counts)))
    similarity = ssim.intra_class_ssim(images, labels, jax.random.key(0), num_pairs=NUM_SSIM_PAIRS)
    values = {
        "frechet_distance": frechet.frechet_distance(
            reference.moments, frechet.feature_moments(fake.features)
        ),
        "kernel_distance": kernel.kernel_distance(reference.features, fake.features).value,
        "classifier_score": classes.classifier_score(fake.logits),
        **neighbors.precision_recall(real_part, fake_part, 3, real_radii=radii[:, 3])._asdict(),
        **neighbors.density_coverage(real_part, fake_part, 5, real_radii=radii[:, 5])._asdict(),
        "modes_found": classes.count_modes(counts, min_count),
        "kl_divergence": classes.kl_divergence(counts, reference.class_counts),
        "nearest_distance": jnp.mean(distances),
        "copy_rate": jnp.mean(distances < reference.copy_threshold),
        "intra_class_ssim": similarity.value,
    }
    values = jax.device_get(values)  # device_get sorts the names
    return {name: float(values[name]) for name in SCORES}


def load_or_compute_baseline(
    path: Path, compute_baseline: Callable[[], dict[str, list[float]]]
) -> dict[str, list[float]]:
    """Returns the real baseline cached in a file, or computes and caches it.

    A file that is corrupt or has other scores is replaced.
    """
    if path.exists():
        try:
            real_baseline = json.loads(path.read_bytes())
        except ValueError:
            real_baseline = None
        if isinstance(real_baseline, dict) and real_baseline.keys() == SCORES.keys():
            return real_baseline
    real_baseline = compute_baseline()
    write_atomic(path, (json.dumps(real_baseline, indent=2) + "\n").encode())
    return real_baseline
