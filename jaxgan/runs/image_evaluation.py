"""Evaluation of runs on images: the evaluator of a data set, and the scores of a GAN."""

from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import jax
import numpy as np

from jaxgan.data.classes import draw_condition
from jaxgan.data.splits import Images
from jaxgan.evaluation.classifier import load_or_train_classifier
from jaxgan.evaluation.evaluator import Evaluator, make_evaluator, resolve_num_samples
from jaxgan.evaluation.pretrained import load_efficientnet
from jaxgan.evaluation.samples import score_members
from jaxgan.gan import GAN
from jaxgan.runs.console import progress_bar
from jaxgan.runs.image_data import check_has_labels
from jaxgan.states import GANState

FeaturesName = Literal["classifier", "efficientnet"]


def load_evaluator(
    data: Images,
    data_dir: Path,
    num_samples: int | None = None,
    features: FeaturesName | None = None,
) -> Evaluator:
    """Returns the evaluator of a data set; its classifier and baseline are cached in `data_dir`.

    Shows progress while the classifier is trained.

    Args:
      data: The training images.
      data_dir: Directory of the prepared data sets.
      num_samples: See `resolve_num_samples`.
      features: The network whose features are compared: a `"classifier"` that is trained on the
        data set, or the pretrained `"efficientnet"`. None for a classifier if there are labels,
        otherwise EfficientNet.

    Raises:
      ConfigError, DataError: See `load_or_train_classifier`, `load_efficientnet` and
        `make_evaluator`; also if the data set has no labels, but a classifier is asked for.
    """
    features = features or ("classifier" if data.has_labels else "efficientnet")
    pretrained = features == "efficientnet"
    # Checked before a classifier is trained.
    resolve_num_samples(data, num_samples, pretrained=pretrained)
    if pretrained:
        network = load_efficientnet()
    else:
        check_has_labels(data)
        with progress_bar(f"Training a classifier of {data.name} for the evaluation") as update:
            network = load_or_train_classifier(data.name, data_dir, update, data=data)
    return make_evaluator(network, data, num_samples, cache=data_dir / "classifiers")


def evaluate_gan(
    gan: GAN,
    evaluator: Evaluator,
    num_seeds: int | None,
    class_counts: Sequence[int] | None,
    state: GANState,
    key: jax.Array,
) -> dict[str, float]:
    """Returns the scores of a GAN's samples; for a population, their means over the members.

    The classes of a conditional GAN are drawn by their frequency in the training data.
    """

    def score_member(state, key):
        key, condition = draw_condition(key, class_counts, evaluator.num_samples)
        return evaluator.compute_scores(gan.sample(state, key, evaluator.num_samples, condition))

    scores = score_members(score_member, state, key, num_seeds)
    return {name: float(np.mean(values)) for name, values in scores.items()}
