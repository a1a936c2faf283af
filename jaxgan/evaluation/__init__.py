"""Scores of generated samples in the features of a network, and their real baseline."""

from jaxgan.evaluation.classifier import (
    NetworkOutputs,
    TrainedClassifier,
    load_or_train_classifier,
)
from jaxgan.evaluation.evaluator import (
    Evaluator,
    make_evaluator,
    resolve_num_samples,
)
from jaxgan.evaluation.pretrained import PretrainedNetwork, load_efficientnet
from jaxgan.evaluation.samples import measure_samples
from jaxgan.evaluation.scores import SCORES, ScoreSpec
from jaxgan.evaluation.tables import format_mean_sem, markdown_table

__all__ = [
    "SCORES",
    "Evaluator",
    "NetworkOutputs",
    "PretrainedNetwork",
    "ScoreSpec",
    "TrainedClassifier",
    "format_mean_sem",
    "load_efficientnet",
    "load_or_train_classifier",
    "make_evaluator",
    "markdown_table",
    "measure_samples",
    "resolve_num_samples",
]
