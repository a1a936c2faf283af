"""SSIM and intra-class SSIM: explicit windows, properties and random pairs."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxgan.errors import ConfigError, DtypeError, ShapeError
from jaxgan.metrics.ssim import intra_class_ssim, ssim
from tests.helpers.arrays import in_float64, jitted


def uniform_images(num, size=(13, 15), channels=2, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (num, *size, channels))


def ssim_by_windows(a, b):
    """SSIM from the statistics of every window, computed one by one."""
    weights = np.exp(-(np.arange(-5, 6) ** 2) / 4.5)
    weights = np.outer(weights, weights) / weights.sum() ** 2
    x, y = (np.lib.stride_tricks.sliding_window_view(z, (11, 11), (1, 2)) for z in (a, b))

    def mean(z):
        return np.sum(z * weights, axis=(-2, -1), keepdims=True)

    m, n = mean(x), mean(y)
    v, w, s = mean((x - m) ** 2), mean((y - n) ** 2), mean((x - m) * (y - n))
    ratio = (2 * m * n + 0.0004) * (2 * s + 0.0036) / ((m**2 + n**2 + 0.0004) * (v + w + 0.0036))
    return ratio.mean(axis=tuple(range(1, ratio.ndim)))


def ssim_of_constants(p, q):
    """SSIM of two images that are constant, with pixels p and q."""
    return (2 * p * q + 0.0004) / (p**2 + q**2 + 0.0004)


def test_ssim_matches_explicit_windows():
    a = uniform_images(4)
    b = np.clip(a + 0.3 * uniform_images(4, seed=1), -1, 1)
    np.testing.assert_allclose(in_float64(ssim, a, b), ssim_by_windows(a, b), rtol=1e-10)
    in_float32 = jitted(ssim)(np.float32(a), np.float32(b))
    np.testing.assert_allclose(in_float32, ssim_by_windows(a, b), rtol=1e-4)


@settings(max_examples=10, deadline=None, derandomize=True)
@given(st.integers(0, 2**31), st.floats(-1, 1), st.floats(-1, 1))
def test_ssim_is_symmetric_bounded_and_1_for_equal_images(seed, p, q):
    similarity = jitted(ssim)
    a, b = (np.float32(uniform_images(2, seed=seed + i)) for i in range(2))
    np.testing.assert_allclose(similarity(a, a), 1, rtol=1e-5)
    np.testing.assert_allclose(similarity(a, b), similarity(b, a), rtol=1e-5, atol=1e-6)
    assert jnp.all(jnp.abs(similarity(a, -b)) <= 1)
    constant = similarity(np.full_like(a, p), np.full_like(a, q))
    np.testing.assert_allclose(constant, ssim_of_constants(p, q), atol=1e-3)


def test_intra_class_ssim_pairs_different_images_of_a_class():
    """Each image has one gray level of its own, so its pairs can be told from their SSIM."""
    grays, labels = jnp.array([0.1, 0.5, 0.2, 0.9, 0.4, 0.7]), jnp.array([5, 2, 5, 9, 2, 2])
    constant = jnp.zeros((6, 11, 11, 1)) + grays[:, None, None, None]
    result = intra_class_ssim(constant, labels, jax.random.key(0), num_pairs=4000)
    # Five images have a partner. Two are of class 5, which has one pair; three are of class 2.
    pairs = ((0.5, 0.4), (0.5, 0.7), (0.4, 0.7))
    class_2 = np.mean([ssim_of_constants(*pair) for pair in pairs])
    expected = 0.4 * ssim_of_constants(0.1, 0.2) + 0.6 * class_2
    assert abs(result.value - expected) < 4 * result.standard_error
    assert 0 < result.standard_error < 0.01


def test_intra_class_ssim_is_1_for_collapsed_classes():
    labels, varied = np.arange(40) % 4, np.float32(uniform_images(40, (11, 11), 1))
    image_sets = np.stack([varied, varied[labels], varied])
    label_sets = np.stack([labels, labels, np.arange(40)])
    keys = jax.random.split(jax.random.key(1), 3)
    result = jax.vmap(partial(intra_class_ssim, num_pairs=50))(image_sets, label_sets, keys)
    assert result.value[0] < 0.3
    np.testing.assert_allclose([result.value[1], result.standard_error[1]], [1, 0], atol=1e-5)
    assert np.isnan(result.value[2])  # no class has two images


def test_ssim_rejects_wrong_shapes_and_dtypes():
    images = np.zeros((3, 11, 11, 1), np.float32)
    with pytest.raises(ShapeError, match="H and W at least 11"):
        ssim(images[:, :10], images[:, :10])
    with pytest.raises(ShapeError, match="expected the same shape"):
        ssim(images, images[:1])
    with pytest.raises(DtypeError, match="uint8, expected floating"):
        ssim(images, images.astype(np.uint8))


def test_intra_class_ssim_rejects_wrong_labels_and_numbers_of_pairs():
    images, key = np.zeros((3, 11, 11, 1), np.float32), jax.random.key(0)
    with pytest.raises(ShapeError, match=r"labels \[2\]"):
        intra_class_ssim(images, np.zeros(2, int), key)
    with pytest.raises(ConfigError, match="num_pairs is 1, expected at least 2"):
        intra_class_ssim(images, np.zeros(3, int), key, num_pairs=1)
