"""The scores of an evaluation, computed from the outputs of a network for real images and samples.

The scores `LOGIT_SCORES` need a classifier of the data set; the others need features only.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.evaluation.classifier import NetworkOutputs
from jaxgan.metrics import classes, frechet, kernel, neighbors, ssim
from jaxgan.metrics.fidelity_diversity import density_coverage, precision_recall

# Precision, recall, density and coverage use at most this many real and generated images.
NUM_NEIGHBOR_IMAGES = 10_000
NUM_SSIM_PAIRS = 2_000


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
    "kernel_distance": ScoreSpec("kernel distance (KID)", 3, "lower"),
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
# The scores that are computed from logits, so only with a classifier of the data set.
LOGIT_SCORES = ("classifier_score", "modes_found", "kl_divergence", "intra_class_ssim")


class Reference(NamedTuple):
    """Statistics of the real images that samples are compared with.

    Attributes:
      features: `[M, F]`.
      moments: Mean and covariance of the features.
      class_counts: `[K]`, images of each class according to the classifier, at least 1 each; None
        without a classifier.
      neighbor_radii: `[R, 6]`, the distances of the first R features to their nearest other ones
        among the first R, the k-th nearest in column k. Recall and coverage depend on the sizes of
        both samples, so R is the number of samples that are scored, at most `NUM_NEIGHBOR_IMAGES`.
      copy_threshold: A sample is a copy if its nearest image is closer than this distance.
    """

    features: jax.Array
    moments: frechet.Moments
    class_counts: jax.Array | None
    neighbor_radii: jax.Array
    copy_threshold: jax.Array


def make_reference(
    real: NetworkOutputs, rows: np.ndarray, num_samples: int, copy_threshold: jax.Array
) -> Reference:
    """Computes the statistics of the given rows of the real images.

    Args:
      real: The network's outputs for the real images.
      rows: Indices of the images to use.
      num_samples: Number of samples that will be compared with them.
      copy_threshold: See `Reference`.
    """
    outputs = jax.tree.map(lambda x: x[rows], real)
    counts = None
    if outputs.logits is not None:
        labels, num_classes = jnp.argmax(outputs.logits, axis=1), outputs.logits.shape[1]
        # A class that the reference lacks counts as one image, so that the KL divergence is finite.
        counts = jnp.maximum(classes.class_counts(labels, num_classes), 1)
    moments = frechet.feature_moments(outputs.features)
    compared = outputs.features[: min(NUM_NEIGHBOR_IMAGES, num_samples)]
    # The first of the six neighbors is the image itself, so column k is the k-th nearest other one.
    radii, _ = neighbors.nearest_neighbors(compared, compared, 6)
    return Reference(outputs.features, moments, counts, radii, copy_threshold)


def find_neighbors(features: jax.Array, reference: Reference) -> tuple[jax.Array, jax.Array]:
    """Returns distance `[N]` and index `[N]` of the reference nearest to each of `features`."""
    distances, indices = neighbors.nearest_neighbors(features, reference.features, 1)
    return distances[:, 0], indices[:, 0]


def score_outputs(
    reference: Reference, fake: NetworkOutputs, images: jax.Array
) -> dict[str, float]:
    """Computes every score of N samples.

    Args:
      reference: Statistics of the real images.
      fake: The network's outputs for the samples.
      images: The samples, `[N, H, W, C]`, floating in [-1, 1].

    Returns:
      `{name: value}`, in the order of `SCORES`; without logits, without `LOGIT_SCORES`.
    """
    radii = reference.neighbor_radii
    real_part = reference.features[: len(radii)]
    fake_part = fake.features[:NUM_NEIGHBOR_IMAGES]
    distances, _ = find_neighbors(fake.features, reference)
    values = {
        "frechet_distance": frechet.frechet_distance(
            reference.moments, frechet.feature_moments(fake.features)
        ),
        "kernel_distance": kernel.kernel_distance(reference.features, fake.features).value,
        **precision_recall(real_part, fake_part, 3, real_radii=radii[:, 3])._asdict(),
        **density_coverage(real_part, fake_part, 5, real_radii=radii[:, 5])._asdict(),
        "nearest_distance": jnp.mean(distances),
        "copy_rate": jnp.mean(distances < reference.copy_threshold),
    }
    if fake.logits is not None and reference.class_counts is not None:
        values |= score_logits(reference.class_counts, fake.logits, images)
    values = jax.device_get(values)
    return {name: float(values[name]) for name in SCORES if name in values}


@jax.jit
def score_logits(
    class_counts: jax.Array, logits: jax.Array, images: jax.Array
) -> dict[str, jax.Array]:
    """Computes the scores `LOGIT_SCORES` of N samples.

    Args:
      class_counts: `[K]`, images of each class in the reference, see `Reference`.
      logits: `[N, K]`, the classifier's logits for the samples.
      images: The samples, `[N, H, W, C]`, floating in [-1, 1].
    """
    labels = jnp.argmax(logits, axis=1)
    counts = classes.class_counts(labels, logits.shape[1])
    # A class is found if it has a tenth of the samples that it would have in a uniform mixture.
    min_count = max(1, len(labels) // (10 * len(counts)))
    similarity = ssim.intra_class_ssim(images, labels, jax.random.key(0), num_pairs=NUM_SSIM_PAIRS)
    return {
        "classifier_score": classes.classifier_score(logits),
        "modes_found": classes.count_modes(counts, min_count),
        "kl_divergence": classes.kl_divergence(counts, class_counts),
        "intra_class_ssim": similarity.value,
    }
