"""Scores of Stacked MNIST: modes found and KL divergence, beside published values."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan import GAN, GANState
from jaxgan.data.classes import find_classes, index_labels
from jaxgan.data.splits import Images
from jaxgan.data.stacked_mnist import draw_triples, stack_images, stack_labels
from jaxgan.evaluation.classifier import TrainedClassifier
from jaxgan.evaluation.samples import score_members
from jaxgan.evaluation.tables import format_mean_sem
from jaxgan.metrics import classes as class_metrics

NUM_MEASURED = 26_000
NUM_PER_BATCH = 1_000
NUM_CLASSES = 10
REAL_SEED = 1  # of triples for the real baseline

# Modes of 1,000 and KL in nats, as printed; ± is a standard error.
VEEGAN = "Srivastava et al. 2017, table 2: 5 runs"
PACGAN = "Lin et al. 2018, table 2: 10 runs of 100,000 steps"
R3GAN = "Huang et al. 2024, table 3: their own run, 32x32, 7 hours on 8 GPUs"
REPRINTED = "Huang et al. 2024, table 3: collected from other papers"
PUBLISHED = (
    ("DCGAN", "99", "3.40", VEEGAN),
    ("ALI", "16", "5.40", VEEGAN),
    ("Unrolled GAN", "48.7", "4.32", VEEGAN),
    ("VEEGAN", "150", "2.95", VEEGAN),
    ("DCGAN", "78.9 ± 6.5", "4.50 ± 0.13", PACGAN),
    ("PacDCGAN2", "1000.0 ± 0.0", "0.06 ± 0.00", PACGAN),
    ("WGAN-GP", "959", "0.73", REPRINTED),
    ("StyleGAN2", "940", "0.42", REPRINTED),
    ("PacGAN", "992", "0.28", REPRINTED),
    ("MEG", "1000", "0.031", REPRINTED),
    ("R3GAN", "1000", "0.029", R3GAN),
)


def classify_stacked(classifier: TrainedClassifier, images: jax.typing.ArrayLike) -> np.ndarray:
    """Returns the mode of each image, int `[B]` from 0 to 999.

    Args:
      classifier: The classifier of the digits.
      images: `[B, 28, 28, 3]`, uint8, or floating in [-1, 1].
    """
    channels = jnp.moveaxis(jnp.asarray(images), -1, 0).reshape(-1, 28, 28, 1)
    labels = np.argmax(np.asarray(classifier.extract(channels).logits), axis=1)
    return stack_labels(labels.reshape(3, -1).T, NUM_CLASSES)


def compute_scores(modes: np.ndarray) -> dict[str, float]:
    """Returns the scores of N samples; the first score selects the best checkpoint.

    Args:
      modes: int `[N]`, the mode of each sample, from 0 to 999.
    """
    num_modes = NUM_CLASSES**3
    counts = class_metrics.class_counts(jnp.asarray(modes), num_modes)
    return {
        "kl_divergence": float(class_metrics.kl_divergence(counts, jnp.ones(num_modes))),
        "modes_found": int(class_metrics.count_modes(counts)),
    }


def evaluate_gan(
    gan: GAN,
    classifier: TrainedClassifier,
    num_seeds: int | None,
    state: GANState,
    key: jax.Array,
) -> dict[str, float]:
    """Returns the scores of a GAN's samples; for a population, their means over the members."""
    scores = score_members(partial(score_gan, gan, classifier), state, key, num_seeds)
    return {name: float(np.mean(values)) for name, values in scores.items()}


def score_gan(
    gan: GAN, classifier: TrainedClassifier, state: GANState, key: jax.Array
) -> dict[str, float]:
    """Returns the scores of the samples of a single GAN."""
    modes = [
        classify_stacked(classifier, gan.sample(state, batch_key, NUM_PER_BATCH))
        for batch_key in jax.random.split(key, NUM_MEASURED // NUM_PER_BATCH)
    ]
    return compute_scores(np.concatenate(modes))


def score_real_images(
    classifier: TrainedClassifier, digits: Images
) -> tuple[dict[str, float], float]:
    """Returns the scores of real triples, and the fraction that is classified correctly.

    The triples are drawn from the training split, on which the classifier was trained.
    """
    triples = draw_triples(len(digits.images), NUM_MEASURED, REAL_SEED)
    batches = np.split(triples, NUM_MEASURED // NUM_PER_BATCH)
    modes = [classify_stacked(classifier, stack_images(digits.images, batch)) for batch in batches]
    labels = index_labels(digits.labels, find_classes(digits.labels).labels)
    is_correct = np.concatenate(modes) == stack_labels(labels[triples], NUM_CLASSES)
    return compute_scores(np.concatenate(modes)), float(np.mean(is_correct))


def compute_expected_scores() -> dict[str, float]:
    """Returns the mean scores of an exact sampler, whose modes are uniform."""
    num_modes = NUM_CLASSES**3
    return {
        "kl_divergence": class_metrics.expected_kl(num_modes, NUM_MEASURED),
        "modes_found": class_metrics.expected_modes(num_modes, NUM_MEASURED),
    }


def format_scores(
    label: str,
    scores: dict[str, np.ndarray],
    real: dict[str, float],
    expected: dict[str, float],
) -> str:
    """Returns a table: scores of a run `[num_seeds]`, of real triples, and published ones."""
    seeds = len(scores["modes_found"])
    own = (
        format_mean_sem(scores["modes_found"], 1 if seeds > 1 else 0),
        format_mean_sem(scores["kl_divergence"], 4),
    )
    rows = [
        ("", "modes of 1,000", "KL (nats)", ""),
        (label, *own, f"{seeds} seeds" if seeds > 1 else "one seed"),
        (
            "real triples",
            f"{real['modes_found']}",
            f"{real['kl_divergence']:.4f}",
            "classified as the samples are",
        ),
        (
            "exact sampler",
            f"{expected['modes_found']:.0f}",
            f"{expected['kl_divergence']:.4f}",
            "mean for uniform modes, without errors of a classifier",
        ),
        *PUBLISHED,
    ]
    lines = [f"{r[0]:<24}{r[1]:>15}{r[2]:>16}  {r[3]}".rstrip() for r in rows]
    title = f"Scores of {NUM_MEASURED:,} samples per GAN; ± is a standard error:"
    return "\n".join([title, *lines])
