"""Known failure modes of a generator, and the metrics that must detect them."""

import math

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan import metrics
from tests.helpers.arrays import in_float64

CENTERS = 3 * np.eye(8)[:4]  # four distant modes in 8 dimensions


def distance_of_features(real, fake):
    return metrics.frechet_distance(metrics.feature_moments(real), metrics.feature_moments(fake))


@jax.jit
def class_metrics(logits):
    """Modes found, KL divergence from uniform frequencies, classifier score."""
    counts = metrics.class_counts(jnp.argmax(logits, axis=1), 4)
    return (
        metrics.count_modes(counts),
        metrics.kl_divergence(counts, jnp.ones(4)),
        metrics.classifier_score(logits),
    )


@pytest.fixture(scope="module")
def samples():
    """Real samples and those of good and bad generators, `[1000, 8]` each, by name."""
    rng = np.random.default_rng(0)
    labels = rng.integers(4, size=(2, 1000))
    real, good = (CENTERS[modes] + 0.3 * rng.normal(size=(1000, 8)) for modes in labels)
    dropped = CENTERS[rng.integers(1, 4, size=1000)] + 0.3 * rng.normal(size=(1000, 8))
    collapsed = CENTERS[labels[1]]  # all modes, one point each
    return {"real": real, "good": good, "dropped": dropped, "collapsed": collapsed} | {
        "noisy": good * 2
    }


def test_frechet_distance_detects_failure_modes(samples):
    distance = {
        name: in_float64(distance_of_features, samples["real"], samples[name])
        for name in ("good", "dropped", "collapsed", "noisy")
    }
    assert min(distance["dropped"], distance["collapsed"], distance["noisy"]) > 5 * distance["good"]


@pytest.mark.parametrize(
    ("name", "detected"), [("good", False), ("dropped", True), ("noisy", True)]
)
def test_kernel_distance_detects_failure_modes(samples, name, detected):
    pair = samples["real"], samples[name]
    result = in_float64(metrics.kernel_distance, *pair, block_size=100)
    if detected:
        assert result.value > 4 * result.standard_error
    else:
        assert abs(result.value) < 4 * result.standard_error


def test_class_metrics_detect_a_dropped_mode(samples):
    good, dropped = (
        class_metrics(np.float32(10 * samples[name] @ CENTERS.T)) for name in ("good", "dropped")
    )
    assert good[1] < 10 * metrics.classes.expected_kl(4, 1000)
    np.testing.assert_allclose(good, [4, 0, 4], atol=0.05)
    np.testing.assert_allclose(dropped, [3, math.log(4 / 3), 3], atol=0.15)
