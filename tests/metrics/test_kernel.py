"""Kernel distance: float64 references, precision, unbiasedness and standard error."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.errors import ConfigError, ShapeError
from jaxgan.metrics.kernel import kernel_distance
from tests.helpers.arrays import in_float64, normal
from tests.helpers.features import relu_features


def cubic_mmd(x, y):
    """The unbiased estimate of the squared MMD, from its definition."""

    def kernel_matrix(u, v):
        return (u @ v.T / x.shape[1] + 1) ** 3

    within = [
        np.sum(kernel_matrix(z, z)[~np.eye(len(z), dtype=bool)]) / (len(z) * (len(z) - 1))
        for z in (x, y)
    ]
    return sum(within) - 2 * np.mean(kernel_matrix(x, y))


@pytest.mark.parametrize(
    ("sizes", "block_size", "num_blocks"), [((47, 31), 10, 3), ((31, 47), 20, 2), ((9, 4), 9, 2)]
)
def test_kernel_distance_is_the_mean_over_blocks(sizes, block_size, num_blocks):
    x, y = normal(sizes[0], 5), 0.5 + normal(sizes[1], 5, seed=1)
    size = min(block_size, min(sizes) // 2)
    each = [cubic_mmd(x[i : i + size], y[i : i + size]) for i in range(0, num_blocks * size, size)]
    result = in_float64(kernel_distance, x, y, block_size=block_size)
    np.testing.assert_allclose(result.value, np.mean(each), rtol=1e-10)
    standard_error = np.std(each, ddof=1) / len(each) ** 0.5
    np.testing.assert_allclose(result.standard_error, standard_error, rtol=1e-10)


def test_kernel_distance_is_accurate_in_float32():
    x, y = 3 + relu_features(400), 3 + relu_features(400, seed=1, shift=0.1)
    each = [cubic_mmd(x[i : i + 200], y[i : i + 200]) for i in (0, 200)]
    mean_kernel = np.mean((x @ x.T / 128 + 1) ** 3)
    assert np.mean(each) < 0.05 * mean_kernel  # the plain formula would lose digits
    result = jax.jit(kernel_distance)(np.float32(x), np.float32(y))
    np.testing.assert_allclose(result.value, np.mean(each), rtol=1e-4)


def test_kernel_distance_is_unbiased_and_its_standard_error_is_right():
    draws = [np.float32(normal(300, 200, 4, seed=seed)) for seed in range(2)]
    result = jax.jit(jax.vmap(lambda x, y: kernel_distance(x, y, block_size=20)))(*draws)
    assert abs(np.mean(result.value)) < 4 * np.std(result.value) / 300**0.5
    assert np.min(result.value) < 0
    root_mean_square = np.mean(result.standard_error**2) ** 0.5
    np.testing.assert_allclose(root_mean_square, np.std(result.value), rtol=0.2)


def test_kernel_distance_runs_under_vmap():
    def distance(a, b):
        return kernel_distance(a, b, block_size=6)

    x, y = (np.float32(normal(3, 20, 5, seed=seed)) for seed in range(2))
    each = [distance(x[i], y[i]) for i in range(3)]
    batched = jax.jit(jax.vmap(distance))(x, y)
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *each)
    chex.assert_trees_all_close(batched, stacked, rtol=1e-3, atol=1e-5)


def test_kernel_distance_rejects_wrong_shapes():
    features = np.zeros((6, 3), np.float32)
    with pytest.raises(ShapeError, match=r"\[6, 3\], fake \[3, 3\], .* N and M at least 4"):
        kernel_distance(features, features[:3])
    for real, fake in ((features, features[:, :2]), (features[0], features[0])):
        with pytest.raises(ShapeError, match=r"expected \[N, F\]"):
            kernel_distance(real, fake)


def test_kernel_distance_rejects_blocks_of_one_sample():
    features = np.zeros((6, 3), np.float32)
    with pytest.raises(ConfigError, match="block_size is 1, expected at least 2"):
        kernel_distance(features, features, block_size=1)
