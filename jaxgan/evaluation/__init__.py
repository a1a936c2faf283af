"""Scores of generated samples through a trained classifier, and their real baseline."""

from jaxgan.evaluation.classifier import (
    ClassifierOutputs,
    TrainedClassifier,
    load_or_train_classifier,
)
from jaxgan.evaluation.evaluator import (
    SCORES,
    Evaluator,
    ScoreSpec,
    make_evaluator,
    resolve_num_samples,
)
from jaxgan.evaluation.samples import measure_samples
from jaxgan.evaluation.tables import format_mean_sem, markdown_table

__all__ = [
    "SCORES",
    "ClassifierOutputs",
    "Evaluator",
    "ScoreSpec",
    "TrainedClassifier",
    "format_mean_sem",
    "load_or_train_classifier",
    "make_evaluator",
    "markdown_table",
    "measure_samples",
    "resolve_num_samples",
]
