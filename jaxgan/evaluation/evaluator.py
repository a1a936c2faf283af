"""Every score of a generator, beside what perfect samples would get.

Perfect samples are held-out images of the training set. They are judged as a generator's are: as many of them, against
the other images, with the same classifier, on several draws.
"""

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan._io import write_atomic
from jaxgan.data.image_datasets import Images
from jaxgan.data.sources import from_pixels
from jaxgan.errors import ConfigError
from jaxgan.evaluation.classifier import ClassifierOutputs, TrainedClassifier
from jaxgan.metrics import classes, frechet, kernel, neighbors, ssim

NUM_SAMPLES = 10_000
NUM_BASELINE_DRAWS = 5
NUM_NEIGHBOR_REFERENCES = (
    10_000  # images whose neighbourhoods precision, recall, density and coverage look at
)
NUM_SSIM_PAIRS = 2_000
COPY_QUANTILE = 0.01  # a sample is called a copy if it lies nearer to a training image than all but so many unseen images do


class ScoreSpec(NamedTuple):
    """How a score is called, how many digits are worth printing, and which way is better; None: as perfect ones."""

    label: str
    digits: int
    better: str | None


SCORES = {
    "frechet": ScoreSpec("Fréchet distance", 2, "lower"),
    "kernel": ScoreSpec("kernel distance (KID)", 2, "lower"),
    "score": ScoreSpec("classifier score", 3, "higher"),
    "precision": ScoreSpec("precision", 3, "higher"),
    "recall": ScoreSpec("recall", 3, "higher"),
    "density": ScoreSpec("density", 3, "higher"),
    "coverage": ScoreSpec("coverage", 3, "higher"),
    "modes": ScoreSpec("classes found", 2, "higher"),
    "divergence": ScoreSpec("KL of the classes (nats)", 4, "lower"),
    "nearest": ScoreSpec("distance to the nearest image", 2, None),
    "copies": ScoreSpec("share of copies", 3, "lower"),
    "sameness": ScoreSpec("sameness in a class (SSIM)", 3, "lower"),
}


class Reference(NamedTuple):
    """Real images as samples are compared with them.

    Attributes:
      features: `[M, F]`.
      moments: of the features.
      counts: `[K]`, of the classes that the classifier sees.
      close: the distance to the nearest image below which 1 % of unseen images are.
    """

    features: jax.Array
    moments: frechet.Moments
    counts: jax.Array
    close: jax.Array


class Evaluator(NamedTuple):
    """What judges samples that should be like one set of images.

    Attributes:
      num: how many samples it takes.
      scores: `(samples [num, H, W, C]) -> {name: value}`, the names those of `MEASURES`.
      perfect: `{name: [draws]}`, the scores of perfect samples.
      images: the training images that samples are compared with, uint8 `[M, H, W, C]`.
      nearest: `(samples) -> [num]`, the index of each one's nearest image among them.
    """

    num: int
    scores: Callable[[jax.typing.ArrayLike], dict[str, float]]
    perfect: dict[str, list[float]]
    images: np.ndarray
    nearest: Callable[[jax.typing.ArrayLike], np.ndarray]


def make_evaluator(
    features: TrainedClassifier, data: Images, num: int | None = None, *, cache: Path | None = None
) -> Evaluator:
    """A judge of samples that should be like `data`.

    Args:
      features: the classifier that it sees with.
      data: the training images.
      num: samples that it takes; at most half of the images, which leaves as many to compare perfect ones with. None
        for 10,000, or half of a small set.
      cache: a folder to keep the perfect samples' scores in, which take some time.

    Raises:
      ConfigError: where num is not 100 to half of the images.
    """
    num = min(NUM_SAMPLES, len(data.images) // 2) if num is None else num
    if not 100 <= num <= len(data.images) // 2:
        raise ConfigError(
            f"num is {num}, expected 100 to {len(data.images) // 2}, half of {data.name}'s images"
        )
    real = features.outputs(data.images)
    held_out, rest = split_indices(np.random.default_rng(0), len(data.images), num)
    reference = make_reference(real, rest)
    unseen = neighbors.nearest_neighbors(real.features[held_out], reference.features, 1)[0]
    reference = reference._replace(close=jnp.quantile(unseen, COPY_QUANTILE))

    def scores(samples):
        return compute_scores(reference, features.outputs(samples), jnp.asarray(samples))

    def nearest(samples):
        return np.asarray(
            neighbors.nearest_neighbors(features.outputs(samples).features, reference.features, 1)[
                1
            ][:, 0]
        )

    def calibrate():
        found = [perfect_score(np.random.default_rng(1 + i)) for i in range(NUM_BASELINE_DRAWS)]
        return {name: [values[name] for values in found] for name in SCORES}

    def perfect_score(rng):
        held_out, rest = split_indices(rng, len(data.images), num)
        against = make_reference(real, rest)._replace(close=reference.close)
        outputs = jax.tree.map(lambda x: x[held_out], real)
        return compute_scores(against, outputs, from_pixels(jnp.asarray(data.images[held_out])))

    perfect = cached_json(cache, f"{data.name}-{features.digest}-{num}.json", calibrate)
    return Evaluator(num, scores, perfect, data.images[rest], nearest)


def split_indices(rng: np.random.Generator, size: int, num: int) -> tuple[np.ndarray, np.ndarray]:
    """The indices of `num` of so many images, to play perfect samples, and those of the others."""
    order = rng.permutation(size)
    return order[:num], order[num:]


def make_reference(real: ClassifierOutputs, chosen: np.ndarray) -> Reference:
    """Some of the real images, to compare with; what is close is yet to be said."""
    outputs = jax.tree.map(lambda x: x[chosen], real)
    counts = classes.class_counts(jnp.argmax(outputs.logits, axis=1), outputs.logits.shape[1])
    return Reference(
        outputs.features, frechet.feature_moments(outputs.features), counts, jnp.float32(0)
    )


def compute_scores(
    reference: Reference, fake: ClassifierOutputs, images: jax.Array
) -> dict[str, float]:
    """All scores of samples, in the order of `MEASURES`; of what the classifier makes of them, and the images."""
    some = reference.features[: min(NUM_NEIGHBOR_REFERENCES, len(fake.features))]
    few = fake.features[:NUM_NEIGHBOR_REFERENCES]
    radii = neighbors.nearest_neighbors(some, some, 6)[0]  # of which the first is the sample itself
    nearest = neighbors.nearest_neighbors(fake.features, reference.features, 1)[0]
    labels = jnp.argmax(fake.logits, axis=1)
    counts = classes.class_counts(labels, fake.logits.shape[1])
    values = {
        "frechet": frechet.frechet_distance(
            reference.moments, frechet.feature_moments(fake.features)
        ),
        "kernel": kernel.kernel_distance(reference.features, fake.features).value,
        "score": classes.classifier_score(fake.logits),
        **neighbors.precision_recall(some, few, 3, real_radii=radii[:, 3])._asdict(),
        **neighbors.density_coverage(some, few, 5, real_radii=radii[:, 5])._asdict(),
        "modes": classes.count_modes(
            counts, least=max(1, len(labels) // (10 * len(counts)))
        ),  # a tenth of an even share
        "divergence": classes.kl_divergence(counts, reference.counts),
        "nearest": jnp.mean(nearest),
        "copies": jnp.mean(nearest < reference.close),
        "sameness": ssim.intra_class_ssim(
            images, labels, jax.random.key(0), num=NUM_SSIM_PAIRS
        ).value,
    }
    values = jax.device_get(values)  # which sorts them
    return {name: float(values[name]) for name in SCORES}


def cached_json(
    cache: Path | None, name: str, compute: Callable[[], dict[str, Any]]
) -> dict[str, Any]:
    """What the file of that name in the cache says, or else what is computed, then kept there."""
    if cache is None:
        return compute()
    path = cache / name
    if not path.exists():
        write_atomic(path, (json.dumps(compute(), indent=2) + "\n").encode())
    return json.loads(path.read_text())
