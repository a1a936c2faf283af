"""Fréchet distance: closed forms, float64 references, precision and bias."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.linalg import sqrtm

from jaxgan.errors import ShapeError
from jaxgan.metrics.frechet import Moments, feature_moments, frechet_distance
from tests.helpers.arrays import in_float64, jitted, normal
from tests.helpers.features import relu_features


def distance_of_features(real, fake):
    return frechet_distance(feature_moments(real), feature_moments(fake))


def distance_by_sqrtm(x, y):
    mean_term = np.sum((x.mean(0) - y.mean(0)) ** 2)
    covariances = np.cov(x.T), np.cov(y.T)
    # A tiny multiple of the identity keeps sqrtm accurate for singular matrices.
    jitter = 1e-12 * np.eye(x.shape[1])
    cross = sqrtm((covariances[0] + jitter) @ (covariances[1] + jitter))
    return mean_term + np.trace(covariances[0] + covariances[1]) - 2 * np.trace(np.real(cross))


def test_frechet_distance_has_closed_forms():
    unit = Moments(np.zeros(64), np.eye(64))
    shifted = unit._replace(mean=np.ones(64))
    np.testing.assert_allclose(in_float64(frechet_distance, unit, shifted), 64, rtol=1e-12)
    a, b = (np.random.default_rng(i).uniform(0, 3, 64) for i in range(2))
    diagonal = in_float64(frechet_distance, Moments(a, np.diag(a)), Moments(b, np.diag(b)))
    np.testing.assert_allclose(diagonal, 2 * np.sum((a - b) ** 2), rtol=1e-12)


def test_frechet_distance_has_a_closed_form_for_one_feature():
    x, y = normal(9, 1), 2 + 3 * normal(7, 1, seed=1)
    expected = (x.mean() - y.mean()) ** 2 + (x.std(ddof=1) - y.std(ddof=1)) ** 2
    np.testing.assert_allclose(in_float64(distance_of_features, x, y), expected, rtol=1e-12)


@pytest.mark.parametrize("num", [40, 5])
def test_frechet_distance_matches_matrix_square_roots(num):
    """5 and 8 samples of 12 features have covariances of ranks 4 and 7."""
    mixing = normal(12, 12, seed=7)
    x, y = normal(num, 12) @ mixing, 1 + 2 * normal(num + 3, 12, seed=1) @ mixing.T
    distance = in_float64(distance_of_features, x, y)
    np.testing.assert_allclose(distance, distance_by_sqrtm(x, y), rtol=1e-5 if num < 12 else 1e-9)


@pytest.mark.parametrize("num", [40, 5])
def test_feature_moments_factor_the_covariance(num):
    x = normal(num, 12) @ normal(12, 12, seed=7)
    mean, factor = in_float64(feature_moments, x)
    assert factor.shape == (12, 12)
    np.testing.assert_allclose(factor.T @ factor, np.cov(x.T), atol=1e-12)
    np.testing.assert_allclose(mean, x.mean(0), atol=1e-12)


def test_frechet_distance_is_symmetric_and_invariant():
    """To rotation, translation and the order of the samples."""
    x, y = normal(60, 6), 1 + normal(60, 6, seed=1) @ normal(6, 6, seed=2)
    distance = in_float64(distance_of_features, x, y)
    rotation, _ = np.linalg.qr(normal(6, 6, seed=3))
    shift = 100 * normal(1, 6, seed=4)
    np.testing.assert_allclose(in_float64(distance_of_features, y, x), distance, rtol=1e-10)
    moved = in_float64(distance_of_features, x @ rotation + shift, y @ rotation + shift)
    np.testing.assert_allclose(moved, distance, rtol=1e-10)
    np.testing.assert_allclose(in_float64(distance_of_features, x, x[::-1]), 0, atol=1e-12)


def test_frechet_distance_is_accurate_in_float32():
    x, y = relu_features(500), relu_features(500, seed=1, shift=0.1)
    distance = in_float64(distance_of_features, x, y)
    assert distance < 0.05 * np.trace(np.cov(x.T))  # the trace formula would lose most digits
    in_float32 = jitted(distance_of_features)
    np.testing.assert_allclose(in_float32(np.float32(x), np.float32(y)), distance, rtol=1e-4)
    assert in_float32(np.float32(x), np.float32(x[::-1])) < 1e-6 * distance
    far = np.float32(x + 1000), np.float32(y + 1000)  # rounds the features themselves by 3e-5
    np.testing.assert_allclose(in_float32(*far), distance, rtol=1e-3)


def test_frechet_distance_has_a_bias_proportional_to_1_over_n():
    def mean_distance(num):
        draws = [np.float32(normal(60, num, 8, seed=seed)) for seed in (num, num + 1)]
        return np.mean(jax.jit(jax.vmap(distance_of_features))(*draws))

    ratio = mean_distance(100) / mean_distance(400)
    assert 3.5 < ratio < 4.8


def test_frechet_distance_runs_under_vmap():
    x, y = (np.float32(normal(3, 20, 5, seed=seed)) for seed in range(2))
    each = [jitted(distance_of_features)(x[i], y[i]) for i in range(3)]
    batched = jax.jit(jax.vmap(distance_of_features))(x, y)
    chex.assert_trees_all_close(batched, jnp.array(each), rtol=1e-3, atol=1e-5)


@pytest.mark.parametrize("shape", [(1, 3), (3,)])
def test_feature_moments_reject_wrong_shapes(shape):
    with pytest.raises(ShapeError, match=r"expected \[N, F\] with N"):
        feature_moments(np.zeros(shape))


def test_frechet_distance_rejects_different_numbers_of_features():
    moments = [Moments(np.zeros(dim), np.eye(dim)) for dim in (3, 2)]
    with pytest.raises(ShapeError, match="have 3 and 2 features"):
        frechet_distance(*moments)
