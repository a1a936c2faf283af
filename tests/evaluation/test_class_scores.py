"""Scores of each class, on scikit-learn's digits."""

import json

import numpy as np
import pytest

from jaxgan.data.image_datasets import load_split
from jaxgan.data.sources import from_pixels
from jaxgan.evaluation.class_scores import (
    ClassScores,
    compute_distance,
    compute_moments,
    format_class_table,
    scores_to_json,
)
from jaxgan.metrics import frechet
from tests.helpers.networks import draw_arrays


@pytest.fixture(scope="module")
def real_samples(digits_evaluator):
    """Returns real images of the classes that the evaluator asks for."""
    data, rng = load_split("digits"), np.random.default_rng(7)
    rows = [
        rng.choice(np.nonzero(data.labels == k)[0], n, replace=False)
        for k, n in enumerate(np.bincount(digits_evaluator.class_evaluator.condition))
    ]
    return from_pixels(data.images[np.concatenate(rows)])


def test_class_evaluator_asks_for_half_of_the_images_of_each_class(digits_evaluator):
    counts = np.bincount(load_split("digits").labels)
    condition = digits_evaluator.class_evaluator.condition
    assert condition.dtype == np.int32
    assert np.bincount(condition).tolist() == (counts // 2).tolist()


def test_class_scores_of_real_images_are_close_to_the_baseline(digits_evaluator, real_samples):
    scores = digits_evaluator.class_evaluator.compute_scores(real_samples)
    baseline = digits_evaluator.class_evaluator.compute_real_baseline()
    assert scores.accuracy.shape == scores.frechet_distance.shape == (10,)
    assert scores.accuracy.mean() > 0.95
    assert baseline.accuracy.mean() > 0.9
    assert (scores.frechet_distance < 3 * baseline.frechet_distance).all()


def test_class_scores_detect_samples_of_other_classes(digits_evaluator, real_samples):
    classes = digits_evaluator.class_evaluator
    scores = classes.compute_scores(real_samples[::-1])  # class 9 first
    baseline = classes.compute_real_baseline()
    assert scores.accuracy.mean() < 0.1
    assert (scores.frechet_distance > 5 * baseline.frechet_distance).all()


def test_compute_distance_is_the_frechet_distance_or_nan():
    a, b = draw_arrays((50, 3), (40, 3))
    expected = frechet.frechet_distance(frechet.feature_moments(a), frechet.feature_moments(b))
    moments = compute_moments(a), compute_moments(b)
    assert compute_distance(*moments) == pytest.approx(float(expected), rel=1e-6)
    assert np.isnan(compute_distance(moments[0], compute_moments(b[:1])))
    assert np.isnan(compute_distance(compute_moments(a[:1]), moments[1]))


def test_format_class_table_has_a_row_per_class_and_the_means():
    draws = [ClassScores(np.array([1.0, 3.0]), np.array([0.5, 1.0])) for _ in range(2)]
    baseline = ClassScores(np.array([0.25, np.nan]), np.array([0.75, 1.0]))
    lines = format_class_table(("cat", "dog"), draws, baseline).splitlines()
    assert [line.split()[0] for line in lines] == ["class", "cat", "dog", "mean"]
    assert lines[1].split() == [
        "cat",
        "1.00",
        "±",
        "0.00",
        "0.25",
        "0.5000",
        "±",
        "0.0000",
        "0.7500",
    ]
    assert lines[3].split() == [
        "mean",
        "2.00",
        "±",
        "0.00",
        "0.25",
        "0.7500",
        "±",
        "0.0000",
        "0.8750",
    ]
    assert json.loads(json.dumps(scores_to_json(baseline))) == {
        "frechet_distance": [0.25, None],
        "accuracy": [0.75, 1.0],
    }
