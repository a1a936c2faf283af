"""Wasserstein distance from the parabolas: closed forms, linear programming, expectations."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance_nd

from jaxgan.data.parabola import BASIS, parabolas
from jaxgan.errors import ShapeError
from jaxgan.metrics.parabola import LENGTH_SQUARED, expected_w2_squared, parabola_distance


def real_samples(num, seed=0):
    return np.asarray(parabolas(np.random.default_rng(seed).uniform(1, 2, num)), np.float64)


def distance_in_float64(samples):
    with jax.enable_x64(True):
        return jax.tree.map(float, parabola_distance(jnp.asarray(samples, jnp.float64)))


def test_length_squared_and_expected_w2_squared_have_published_values():
    assert abs(LENGTH_SQUARED - 30.3236151604) < 1e-10
    assert abs(expected_w2_squared(64) - 0.07897) < 5e-6
    assert abs(expected_w2_squared(10_000) - 0.000505) < 5e-7


@pytest.mark.parametrize(("a", "w2_squared"), [(1.5, 2.5269679), (1, 10.1078717), (2, 10.1078717)])
def test_parabola_distance_of_one_repeated_parabola(a, w2_squared):
    distance = distance_in_float64(np.full((1000, 1), float(a)) * BASIS[None] - 1)
    np.testing.assert_allclose(distance.w2_squared, w2_squared, rtol=1e-7)
    rest = [distance.off_curve, distance.a_min, distance.a_mean, distance.a_max]
    np.testing.assert_allclose(rest, [0, a, a, a], atol=1e-12)


def test_expected_w2_squared_is_the_mean_over_real_samples():
    values = [distance_in_float64(real_samples(64, seed)).w2_squared for seed in range(300)]
    standard_error = np.std(values) / 300**0.5
    assert abs(np.mean(values) - expected_w2_squared(64)) < 4 * standard_error
    assert standard_error < 0.1 * expected_w2_squared(64)


def test_parabola_distance_matches_linear_programming():
    """The solver computes W1; if all points move by the same vector, W2² is W1²."""
    a = np.linspace(1, 2, 401)[:-1] + 1 / 800  # the midpoints of 400 equal parts of [1, 2]
    real = a[:, None] * BASIS[None] - 1
    moved = real + 0.3 * BASIS[None]
    w1 = 0.3 * LENGTH_SQUARED**0.5
    np.testing.assert_allclose(wasserstein_distance_nd(real[::10], moved[::10]), w1, rtol=1e-6)
    np.testing.assert_allclose(distance_in_float64(moved).w2_squared, w1**2, rtol=1e-5)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(0, 2**31), st.floats(0.01, 2.0), st.sampled_from([2, 7, 50]))
def test_parabola_distance_adds_off_curve_and_ignores_order(seed, scale, num):
    rng = np.random.default_rng(seed)
    off_curve = rng.normal(size=(num, 15)) * scale
    off_curve -= np.outer(off_curve @ BASIS, BASIS) / LENGTH_SQUARED
    on_curve = rng.uniform(0.5, 2.5, num)[:, None] * BASIS[None] - 1
    distance_on = distance_in_float64(on_curve)
    distance = distance_in_float64((on_curve + off_curve)[rng.permutation(num)])
    expected = np.mean(np.sum(off_curve**2, 1))
    np.testing.assert_allclose(distance.w2_squared - distance_on.w2_squared, expected, rtol=1e-9)
    np.testing.assert_allclose(distance.off_curve, expected, rtol=1e-9)


def test_parabola_distance_under_vmap_in_float32_matches_float64():
    samples = np.stack([real_samples(100, seed) for seed in range(3)])
    samples = jnp.asarray(samples, jnp.float32)
    batched = jax.jit(jax.vmap(parabola_distance))(samples)
    for i in range(3):
        chex.assert_trees_all_close(
            jax.tree.map(lambda x, i=i: float(x[i]), batched),
            distance_in_float64(samples[i]),
            atol=1e-4,
        )


@pytest.mark.parametrize("shape", [(15,), (4, 14), (4, 15, 1)])
def test_parabola_distance_rejects_wrong_shapes(shape):
    with pytest.raises(ShapeError, match=r"expected \[N, 15\]"):
        parabola_distance(jnp.zeros(shape))
