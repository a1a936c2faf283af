"""Metrics of class predictions: closed forms, ranges and expectations."""

import math
from functools import partial

import jax
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxgan.errors import DtypeError, ShapeError
from jaxgan.metrics import classes
from tests.helpers.arrays import jitted, normal

CERTAIN = 1000 * np.eye(10, dtype=np.float32)  # the logits of a certain prediction of each class


@pytest.mark.parametrize(
    ("logits", "expected"),
    [
        (np.tile(CERTAIN, (2, 1)), 10),
        (np.tile(CERTAIN[3:4], (20, 1)), 1),
        (np.tile(np.arange(10, dtype=np.float32), (20, 1)), 1),
        (np.tile(np.where(CERTAIN, 0, -np.inf).astype(np.float32), (2, 1)), 10),
    ],
    ids=["certain and balanced", "one class", "equal predictions", "infinite logits"],
)
def test_classifier_score_has_closed_forms(logits, expected):
    score = jitted(classes.classifier_score)(logits)
    np.testing.assert_allclose(score, expected, rtol=1e-5 if expected > 1 else 1e-6)


def test_classifier_score_of_small_batches_is_biased():
    labels = np.random.default_rng(0).integers(10, size=(2000, 32))
    scores = jax.jit(jax.vmap(classes.classifier_score))(CERTAIN[labels])
    assert abs(np.mean(scores) - 8.59) < 4 * np.std(scores) / 2000**0.5 + 0.005


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(0, 2**31), st.floats(0, 100))
def test_classifier_score_matches_entropies_and_is_1_to_k(seed, scale):
    logits = scale * normal(20, 10, seed=seed)
    p = np.exp(logits - np.logaddexp.reduce(logits, axis=1)[:, None])
    marginal_entropy, entropies = (
        -np.sum(np.where(q > 0, q * np.log(np.maximum(q, 1e-300)), 0), -1) for q in (p.mean(0), p)
    )
    score = jitted(classes.classifier_score)(np.float32(logits))
    assert 1 - 1e-5 < score < 10 + 1e-4
    np.testing.assert_allclose(score, np.exp(marginal_entropy - entropies.mean()), rtol=1e-4)


@pytest.mark.parametrize("dtype", [np.int32, np.int8])
def test_class_counts_ignore_invalid_labels(dtype):
    labels = np.array([3, 0, 3, -1, 7, 4, -2, 3, 120]).astype(dtype)
    counts = jitted(classes.class_counts, num_classes=5)(labels)
    np.testing.assert_array_equal(counts, [1, 0, 0, 3, 1])
    # More classes than int8 can represent.
    assert jitted(classes.class_counts, num_classes=300)(labels)[3] == 3


def test_class_counts_run_under_vmap():
    labels = np.array([[0, 1], [2, 2]])
    counts = jax.jit(jax.vmap(partial(classes.class_counts, num_classes=3)))(labels)
    np.testing.assert_array_equal(counts, [[1, 1, 0], [0, 0, 2]])


@pytest.mark.parametrize(("min_count", "expected"), [(1, 3), (2, 1), (4, 0)])
def test_count_modes_counts_classes_with_enough_samples(min_count, expected):
    assert jitted(classes.count_modes)(np.array([1, 0, 0, 3, 1]), min_count) == expected


def test_kl_divergence_has_closed_forms():
    uniform, divergence = np.ones(1000, np.float32), jitted(classes.kl_divergence)
    for m in (1, 99, 1000):
        counts = np.where(np.arange(1000) < m, 7, 0)
        np.testing.assert_allclose(divergence(counts, uniform), math.log(1000 / m), atol=1e-5)
    p, q = np.array([1, 2, 5]), np.array([4, 1, 3])
    np.testing.assert_allclose(divergence(p, q), np.sum(p / 8 * np.log(p / q)), rtol=1e-6)
    assert divergence(p, np.array([3, 0, 1])) == np.inf
    assert np.isnan(divergence(0 * p, q))


@pytest.mark.parametrize(
    ("num_classes", "num_samples", "published"),
    [(8, 2500, 0.0014), (25, 2500, 0.0048), (1000, 26_000, 0.0192)],
)
def test_expected_kl_is_the_mean_and_as_published(num_classes, num_samples, published):
    assert abs(classes.expected_kl(num_classes, num_samples) - published) < 5e-5
    probabilities = np.ones(num_classes) / num_classes
    counts, other = np.random.default_rng(0).multinomial(num_samples, probabilities, (2, 400))
    divergence = jax.jit(jax.vmap(classes.kl_divergence))
    for values, expected in (
        (divergence(counts, np.ones_like(counts)), classes.expected_kl(num_classes, num_samples)),
        (divergence(counts, other), classes.expected_kl(num_classes, num_samples, num_samples)),
    ):
        # Relative tolerance: expected_kl is exact only to first order in 1/N.
        assert abs(np.mean(values) - expected) < 4 * np.std(values) / 20 + 0.06 * expected


@pytest.mark.parametrize(("num_classes", "num_samples"), [(8, 10), (1000, 1500)])
def test_expected_modes_is_the_mean(num_classes, num_samples):
    counts = [
        len(set(np.random.default_rng(seed).integers(num_classes, size=num_samples)))
        for seed in range(200)
    ]
    expected = classes.expected_modes(num_classes, num_samples)
    assert abs(np.mean(counts) - expected) < 4 * np.std(counts) / 200**0.5
    assert abs(classes.expected_modes(1000, 26_000) - 1000) < 1e-7


def test_classifier_score_rejects_wrong_shapes():
    with pytest.raises(ShapeError, match=r"expected \[N, K\]"):
        classes.classifier_score(np.zeros(3, np.float32))


def test_class_counts_reject_wrong_shapes_and_dtypes():
    with pytest.raises(ShapeError, match=r"expected \[N\]"):
        classes.class_counts(np.zeros((3, 1), int), 2)
    with pytest.raises(DtypeError, match="expected integers"):
        classes.class_counts(np.zeros(3, np.float32), 2)


def test_kl_divergence_rejects_wrong_shapes_and_dtypes():
    counts = np.zeros((6, 3), np.float32)
    with pytest.raises(ShapeError, match=r"\[3\], reference_counts \[2\]"):
        classes.kl_divergence(counts[0], counts[0, :2])
    with pytest.raises(ShapeError, match=r"expected \[K\] for both"):
        classes.kl_divergence(counts, counts)
    with pytest.raises(DtypeError, match="reference_counts are bool, expected integer counts"):
        classes.kl_divergence(counts[0], np.ones(3, bool))
