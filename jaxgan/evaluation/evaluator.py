"""The evaluator: scores of generated samples, together with the scores of real images.

Images are compared in the features of a network: a classifier that was trained on the data set, or
EfficientNet-Lite0 if the images have no labels. The real baseline consists of held-out images of
the training set. They are scored exactly as generated samples are: the same number of images,
compared with the other images, through the same network, over several draws.
"""

import contextlib
import json
import os
import zipfile
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan._io import save_arrays, write_json
from jaxgan.data.classes import find_classes, index_labels
from jaxgan.data.sources import from_pixels
from jaxgan.data.splits import Images
from jaxgan.errors import ConfigError
from jaxgan.evaluation.class_scores import ClassEvaluator, make_class_evaluator
from jaxgan.evaluation.classifier import (
    NetworkOutputs,
    TrainedClassifier,
    check_evaluation_data,
    compute_data_checksum,
    select_images,
)
from jaxgan.evaluation.pretrained import PretrainedNetwork
from jaxgan.evaluation.scores import (
    LOGIT_SCORES,
    SCORES,
    find_neighbors,
    make_reference,
    score_outputs,
)

NUM_SAMPLES = 10_000
MIN_SAMPLES = 100
NUM_BASELINE_DRAWS = 5
COPY_QUANTILE = 0.01  # fraction of unseen real images that count as copies of a training image
# A pretrained network is slower and has more features than a classifier of the data set.
NUM_PRETRAINED_SAMPLES = 5_000
NUM_PRETRAINED_IMAGES = 10_000  # half of them is held out

Network = TrainedClassifier | PretrainedNetwork


class Evaluator(NamedTuple):
    """Scores samples that should resemble one data set.

    Attributes:
      description: The network whose features are compared, in words.
      num_samples: Number of samples N that `compute_scores` takes.
      compute_scores: `(samples [N, H, W, C]) -> {name: value}`, with names of `SCORES`, those of
        classes only if the network is a classifier; samples are floating in [-1, 1].
      real_baseline: `{name: [draws]}`, the scores of held-out real images.
      reference_images: uint8 `[M, H, W, C]`, the training images that samples are compared with.
      record: JSON-serializable description of what the scores depend on: the data set, counts, and
        the network's checksum, for a classifier also its accuracy.
      find_nearest: `(samples [n, H, W, C]) -> [n]`, for each sample the index of its nearest
        reference image in feature space; any number of samples, uint8 or floating in [-1, 1].
      class_evaluator: Scores samples of a conditional GAN class by class; None if the network is
        not a classifier.
    """

    description: str
    num_samples: int
    compute_scores: Callable[[jax.typing.ArrayLike], dict[str, float]]
    real_baseline: dict[str, list[float]]
    reference_images: np.ndarray
    record: dict[str, Any]
    find_nearest: Callable[[jax.typing.ArrayLike], np.ndarray]
    class_evaluator: ClassEvaluator | None


def make_evaluator(
    network: Network,
    data: Images,
    num_samples: int | None = None,
    *,
    cache: Path | None = None,
) -> Evaluator:
    """Creates an evaluator of samples that should resemble `data`.

    A pretrained network is slow, so at most 10,000 of the images, drawn at random, are used with
    it.

    Args:
      network: The classifier whose features and logits are compared, or the pretrained network
        whose features are compared.
      data: The training images; only a classifier needs labels.
      num_samples: See `resolve_num_samples`.
      cache: Directory that caches what takes some time to compute: the network's outputs for the
        real images, and the real baseline. The file names contain checksums of the data and of the
        network.

    Raises:
      DataError: If the data set is too small, see `check_evaluation_data`.
      ConfigError: If `num_samples` is not 100 to half of the images, or not above the number of
        classes.
    """
    pretrained = isinstance(network, PretrainedNetwork)
    num_samples = resolve_num_samples(data, num_samples, pretrained=pretrained)
    data_checksum, num_images = compute_data_checksum(data), len(data.images)
    if pretrained:
        order = np.random.default_rng(0).permutation(num_images)
        data = select_images(data, order[:NUM_PRETRAINED_IMAGES])
    elif num_samples <= network.num_classes:
        # With more samples than classes, some class has two samples, as its SSIM requires.
        raise ConfigError(
            f"num_samples is {num_samples}, expected more than {network.num_classes}, the "
            f"number of classes of {data.name}; use a data set with fewer classes or more images"
        )
    name = "-".join((data.name, data_checksum, network.checksum[:16]))
    if cache is None:
        real = network.extract(data.images)
    else:
        real = load_or_extract(Path(os.path.expanduser(cache)) / f"{name}.npz", network, data)
    held_out, rest = split_indices(np.random.default_rng(0), len(data.images), num_samples)
    reference = make_reference(real, rest, num_samples, jnp.float32(0))
    unseen_distances = find_neighbors(real.features[held_out], reference)[0]
    copy_threshold = jnp.quantile(unseen_distances, COPY_QUANTILE)
    reference = reference._replace(copy_threshold=copy_threshold)

    def compute_scores(samples):
        return score_outputs(reference, network.extract(samples), jnp.asarray(samples))

    def find_nearest(samples):
        return np.asarray(find_neighbors(network.extract(samples).features, reference)[1])

    def score_real_images(rng):
        held_out, rest = split_indices(rng, len(data.images), num_samples)
        outputs = jax.tree.map(lambda x: x[held_out], real)
        images = from_pixels(jnp.asarray(data.images[held_out]))
        reference = make_reference(real, rest, num_samples, copy_threshold)
        return score_outputs(reference, outputs, images)

    names = [name for name in SCORES if not pretrained or name not in LOGIT_SCORES]

    def compute_baseline():
        draws = [score_real_images(np.random.default_rng(1 + i)) for i in range(NUM_BASELINE_DRAWS)]
        return {name: [scores[name] for scores in draws] for name in names}

    if cache is None:
        real_baseline = compute_baseline()
    else:
        path = Path(os.path.expanduser(cache)) / f"{name}-{num_samples}.json"
        real_baseline = load_or_compute_baseline(path, names, compute_baseline)
    record = {
        "dataset": data.name,
        "split": "train",
        "num_images": num_images,
        "num_reference_images": len(rest),
        "num_samples": num_samples,
        "data_checksum": data_checksum,
        **describe_network(network),
    }
    class_evaluator = None
    if not pretrained:
        labels = index_labels(data.labels, find_classes(data.labels).labels)
        class_evaluator = make_class_evaluator(network, real, labels)
    return Evaluator(
        description=network.description,
        num_samples=num_samples,
        compute_scores=compute_scores,
        real_baseline=real_baseline,
        reference_images=data.images[rest],
        record=record,
        find_nearest=find_nearest,
        class_evaluator=class_evaluator,
    )


def describe_network(network: Network) -> dict[str, Any]:
    """Returns the entry of a network in the record of an evaluation."""
    if isinstance(network, PretrainedNetwork):
        return {"network": {"name": network.name, "checksum": network.checksum}}
    return {
        "classifier": {
            "checksum": network.checksum,
            "data_checksum": network.data_checksum,
            "num_classes": network.num_classes,
            "accuracy": network.accuracy,
        }
    }


def resolve_num_samples(data: Images, num_samples: int | None, *, pretrained: bool = False) -> int:
    """Returns the number of samples to evaluate with, after checking it against the data set.

    Args:
      data: The training images. At most half of them are held out for the real baseline, so that
        at least as many remain to compare with.
      num_samples: 100 to half of the images. None for 10,000, or half of the images if these are
        fewer.
      pretrained: Whether the network is a pretrained one. At most 10,000 images are then used, and
        the default is 5,000.

    Raises:
      DataError: If the data set is too small, see `check_evaluation_data`.
      ConfigError: If `num_samples` is out of range.
    """
    check_evaluation_data(data, classify=not pretrained)
    limit = NUM_PRETRAINED_SAMPLES if pretrained else len(data.images)
    half = min(len(data.images) // 2, limit)
    num_samples = min(NUM_SAMPLES, half) if num_samples is None else num_samples
    if not MIN_SAMPLES <= num_samples <= half:
        used = f"{min(len(data.images), 2 * limit):,} images of {data.name}"
        used += " that are used with a pretrained network" if half == limit else ""
        raise ConfigError(
            f"num_samples is {num_samples}, expected {MIN_SAMPLES} to {half:,} (half of the {used})"
        )
    return num_samples


def split_indices(rng: np.random.Generator, size: int, num: int) -> tuple[np.ndarray, np.ndarray]:
    """Splits 0 to `size` - 1 at random into `num` held-out indices and the remaining ones."""
    order = rng.permutation(size)
    return order[:num], order[num:]


def load_or_extract(path: Path, network: Network, data: Images) -> NetworkOutputs:
    """Returns a network's outputs for real images, cached in a file, or computes and caches them.

    A file that is corrupt or has another number of images is replaced.
    """
    with contextlib.suppress(OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
        with np.load(path) as arrays:
            outputs = NetworkOutputs(arrays["features"], arrays.get("logits"))
        if len(outputs.features) == len(data.images):
            return jax.tree.map(jnp.asarray, outputs)
    outputs = network.extract(data.images)
    arrays = {name: x for name, x in outputs._asdict().items() if x is not None}
    save_arrays(path, jax.device_get(arrays))
    return outputs


def load_or_compute_baseline(
    path: Path, names: Sequence[str], compute_baseline: Callable[[], dict[str, list[float]]]
) -> dict[str, list[float]]:
    """Returns the real baseline cached in a file, or computes and caches it.

    A file that is corrupt or has other scores is replaced.

    Args:
      path: The file.
      names: Names of its scores.
      compute_baseline: Computes the baseline.
    """
    if path.exists():
        try:
            real_baseline = json.loads(path.read_bytes())
        except ValueError:
            real_baseline = None
        if isinstance(real_baseline, dict) and real_baseline.keys() == set(names):
            return real_baseline
    real_baseline = compute_baseline()
    write_json(path, real_baseline)
    return real_baseline
