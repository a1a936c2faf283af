"""Fréchet and kernel distances, classes, and likenesses, against float64 NumPy and closed forms."""

import math
from functools import cache, partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.linalg import sqrtm

from jaxgan.errors import ConfigError, DtypeError, ShapeError
from jaxgan.metrics import classes, frechet, kernel, ssim

MIXING = np.random.default_rng(99).normal(size=(8, 128))


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def relu_features(num, seed=0, shift=0.0):
    """Of 128 dimensions, 100 of them ever used: rank-deficient, as a network's are."""
    x = np.maximum((normal(num, 8, seed=seed) + shift) @ MIXING + 1, 0)
    x[:, 100:] = 0
    return x


@cache
def compiled(function, **options):
    return jax.jit(partial(function, **options))


def doubles(function, *args, **options):
    with jax.enable_x64(True):
        return jax.tree.map(
            np.float64, compiled(function, **options)(*jax.tree.map(np.float64, args))
        )


def frechet_of(real, fake):
    return frechet.frechet_distance(frechet.feature_moments(real), frechet.feature_moments(fake))


def frechet_by_sqrtm(x, y):
    covariances = np.cov(x.T), np.cov(y.T)
    # A tiny multiple of 1 keeps sqrtm of singular matrices accurate.
    cross = sqrtm(
        (covariances[0] + 1e-12 * np.eye(x.shape[1]))
        @ (covariances[1] + 1e-12 * np.eye(x.shape[1]))
    )
    mean = np.sum((x.mean(0) - y.mean(0)) ** 2)
    return mean + np.trace(covariances[0] + covariances[1]) - 2 * np.trace(np.real(cross))


def test_frechet_has_closed_forms():
    unit = frechet.Moments(np.zeros(64), np.eye(64))
    np.testing.assert_allclose(
        doubles(frechet.frechet_distance, unit, unit._replace(mean=np.ones(64))), 64, rtol=1e-12
    )
    a, b = (np.random.default_rng(i).uniform(0, 3, 64) for i in range(2))
    found = doubles(
        frechet.frechet_distance, frechet.Moments(a, np.diag(a)), frechet.Moments(b, np.diag(b))
    )
    np.testing.assert_allclose(found, 2 * np.sum((a - b) ** 2), rtol=1e-12)
    x, y = normal(9, 1), 2 + 3 * normal(7, 1, seed=1)
    expected = (x.mean() - y.mean()) ** 2 + (x.std(ddof=1) - y.std(ddof=1)) ** 2
    np.testing.assert_allclose(doubles(frechet_of, x, y), expected, rtol=1e-12)


@pytest.mark.parametrize("num", [40, 5])
def test_frechet_is_that_of_matrix_roots(num):
    """5 and 8 samples of 12 features have covariances of ranks 4 and 7."""
    mixing = normal(12, 12, seed=7)
    x, y = normal(num, 12) @ mixing, 1 + 2 * normal(num + 3, 12, seed=1) @ mixing.T
    found = doubles(frechet_of, x, y)
    np.testing.assert_allclose(found, frechet_by_sqrtm(x, y), rtol=1e-5 if num < 12 else 1e-9)
    root = doubles(frechet.feature_moments, x).root
    assert root.shape == (12, 12)
    np.testing.assert_allclose(root.T @ root, np.cov(x.T), atol=1e-12)


def test_frechet_is_a_distance_of_the_laws():
    x, y = normal(60, 6), 1 + normal(60, 6, seed=1) @ normal(6, 6, seed=2)
    value = doubles(frechet_of, x, y)
    turn, _ = np.linalg.qr(normal(6, 6, seed=3))
    shift = 100 * normal(1, 6, seed=4)
    np.testing.assert_allclose(doubles(frechet_of, y, x), value, rtol=1e-10)
    np.testing.assert_allclose(
        doubles(frechet_of, x @ turn + shift, y @ turn + shift), value, rtol=1e-10
    )
    np.testing.assert_allclose(doubles(frechet_of, x, x[::-1]), 0, atol=1e-12)


def test_frechet_in_single_precision():
    x, y = relu_features(500), relu_features(500, seed=1, shift=0.1)
    value = doubles(frechet_of, x, y)
    assert value < 0.05 * np.trace(np.cov(x.T))  # so that much would cancel
    single = compiled(frechet_of)
    np.testing.assert_allclose(single(np.float32(x), np.float32(y)), value, rtol=1e-4)
    assert single(np.float32(x), np.float32(x[::-1])) < 1e-6 * value
    far = np.float32(x + 1000), np.float32(y + 1000)  # which rounds the features themselves by 3e-5
    np.testing.assert_allclose(single(*far), value, rtol=1e-3)


def test_frechet_is_biased_by_one_over_n():
    def mean_of(num):
        draws = [np.float32(normal(60, num, 8, seed=seed)) for seed in (num, num + 1)]
        return np.mean(jax.jit(jax.vmap(frechet_of))(*draws))

    ratio = mean_of(100) / mean_of(400)
    assert 3.5 < ratio < 4.8


def cubic_mmd(x, y):
    def kernels(u, v):
        return (u @ v.T / x.shape[1] + 1) ** 3

    within = [
        np.sum(kernels(w, w)[~np.eye(len(w), dtype=bool)]) / (len(w) * (len(w) - 1)) for w in (x, y)
    ]
    return sum(within) - 2 * np.mean(kernels(x, y))


@pytest.mark.parametrize(
    ("sizes", "block", "expected_blocks"), [((47, 31), 10, 3), ((31, 47), 20, 2), ((9, 4), 9, 2)]
)
def test_kernel_is_the_mean_over_blocks(sizes, block, expected_blocks):
    x, y = normal(sizes[0], 5), 0.5 + normal(sizes[1], 5, seed=1)
    size = min(block, min(sizes) // 2)
    each = [
        cubic_mmd(x[i : i + size], y[i : i + size]) for i in range(0, expected_blocks * size, size)
    ]
    found = doubles(kernel.kernel_distance, x, y, block=block)
    np.testing.assert_allclose(found.value, np.mean(each), rtol=1e-10)
    np.testing.assert_allclose(found.error, np.std(each, ddof=1) / len(each) ** 0.5, rtol=1e-10)


def test_kernel_in_single_precision():
    x, y = 3 + relu_features(400), 3 + relu_features(400, seed=1, shift=0.1)
    each = [cubic_mmd(x[i : i + 200], y[i : i + 200]) for i in (0, 200)]
    mean_kernel = np.mean((x @ x.T / 128 + 1) ** 3)
    assert np.mean(each) < 0.05 * mean_kernel
    found = jax.jit(kernel.kernel_distance)(np.float32(x), np.float32(y))
    np.testing.assert_allclose(found.value, np.mean(each), rtol=1e-4)


def test_kernel_is_unbiased_and_its_error_is_right():
    draws = [np.float32(normal(300, 200, 4, seed=seed)) for seed in range(2)]
    found = jax.jit(jax.vmap(lambda x, y: kernel.kernel_distance(x, y, block=20)))(*draws)
    assert abs(np.mean(found.value)) < 4 * np.std(found.value) / 300**0.5
    assert np.min(found.value) < 0
    np.testing.assert_allclose(np.mean(found.error**2) ** 0.5, np.std(found.value), rtol=0.2)


def test_score_has_closed_forms():
    sure, score = 1000 * np.eye(10, dtype=np.float32), compiled(classes.classifier_score)
    np.testing.assert_allclose(score(np.tile(sure, (2, 1))), 10, rtol=1e-5)
    np.testing.assert_allclose(score(np.tile(sure[3:4], (20, 1))), 1, rtol=1e-6)
    np.testing.assert_allclose(
        score(np.tile(np.arange(10, dtype=np.float32), (20, 1))), 1, rtol=1e-6
    )
    ruled_out = np.where(sure, 0, -np.inf).astype(np.float32)
    np.testing.assert_allclose(score(np.tile(ruled_out, (2, 1))), 10, rtol=1e-5)
    labels = np.random.default_rng(0).integers(10, size=(2000, 32))
    scores = jax.jit(jax.vmap(classes.classifier_score))(sure[labels])
    assert abs(np.mean(scores) - 8.59) < 4 * np.std(scores) / 2000**0.5 + 0.005


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(0, 2**31), st.floats(0, 100))
def test_score_is_one_to_k(seed, scale):
    logits = scale * normal(20, 10, seed=seed)
    p = np.exp(logits - np.logaddexp.reduce(logits, axis=1)[:, None])
    entropies = [
        -np.sum(np.where(q > 0, q * np.log(np.maximum(q, 1e-300)), 0), -1) for q in (p.mean(0), p)
    ]
    found = compiled(classes.classifier_score)(np.float32(logits))
    assert 1 - 1e-5 < found < 10 + 1e-4
    np.testing.assert_allclose(found, np.exp(entropies[0] - entropies[1].mean()), rtol=1e-4)


def test_counts_and_modes():
    labels, counts = (
        np.array([3, 0, 3, -1, 7, 4, -2, 3, 120]),
        compiled(classes.class_counts, num_classes=5),
    )
    for dtype in (np.int32, np.int8):
        found = counts(labels.astype(dtype))
        np.testing.assert_array_equal(found, [1, 0, 0, 3, 1])
    assert (
        compiled(classes.class_counts, num_classes=300)(labels.astype(np.int8))[3] == 3
    )  # more classes than int8 holds
    assert [int(compiled(classes.count_modes)(found, least)) for least in (1, 2, 4)] == [3, 1, 0]
    together = jax.jit(jax.vmap(partial(classes.class_counts, num_classes=3)))(
        np.array([[0, 1], [2, 2]])
    )
    np.testing.assert_array_equal(together, [[1, 1, 0], [0, 0, 2]])


def test_divergence_has_closed_forms():
    uniform, divergence = np.ones(1000, np.float32), compiled(classes.kl_divergence)
    for m in (1, 99, 1000):
        counts = np.where(np.arange(1000) < m, 7, 0)
        np.testing.assert_allclose(divergence(counts, uniform), math.log(1000 / m), atol=1e-5)
    p, q = np.array([1, 2, 5]), np.array([4, 1, 3])
    np.testing.assert_allclose(divergence(p, q), np.sum(p / 8 * np.log(p / q)), rtol=1e-6)
    assert divergence(p, np.array([3, 0, 1])) == np.inf
    assert np.isnan(divergence(0 * p, q))


@pytest.mark.parametrize(
    ("k", "num", "published"), [(8, 2500, 0.0014), (25, 2500, 0.0048), (1000, 26_000, 0.0192)]
)
def test_floor_of_the_divergence(k, num, published):
    assert abs(classes.expected_kl(k, num) - published) < 5e-5
    draws = np.random.default_rng(0).multinomial(num, np.ones(k) / k, (2, 400))
    each = jax.jit(jax.vmap(classes.kl_divergence))
    known, counted = each(draws[0], np.ones_like(draws[0])), each(*draws)
    for values, floor in (
        (known, classes.expected_kl(k, num)),
        (counted, classes.expected_kl(k, num, num)),
    ):
        assert (
            abs(np.mean(values) - floor) < 4 * np.std(values) / 20 + 0.06 * floor
        )  # it is of first order


@pytest.mark.parametrize(("k", "num"), [(8, 10), (1000, 1500)])
def test_expected_modes(k, num):
    found = [len(set(np.random.default_rng(seed).integers(k, size=num))) for seed in range(200)]
    assert abs(np.mean(found) - classes.expected_modes(k, num)) < 4 * np.std(found) / 200**0.5
    assert abs(classes.expected_modes(1000, 26_000) - 1000) < 1e-7


def images(num, size=(13, 15), channels=2, seed=0):
    return np.random.default_rng(seed).uniform(-1, 1, (num, *size, channels))


def ssim_by_windows(a, b):
    weights = np.exp(-(np.arange(-5, 6) ** 2) / 4.5)
    weights = np.outer(weights, weights) / weights.sum() ** 2
    x, y = (np.lib.stride_tricks.sliding_window_view(z, (11, 11), (1, 2)) for z in (a, b))

    def mean(z):
        return np.sum(z * weights, axis=(-2, -1), keepdims=True)

    m, n = mean(x), mean(y)
    v, w, s = mean((x - m) ** 2), mean((y - n) ** 2), mean((x - m) * (y - n))
    ratio = (2 * m * n + 0.0004) * (2 * s + 0.0036) / ((m**2 + n**2 + 0.0004) * (v + w + 0.0036))
    return ratio.mean(axis=tuple(range(1, ratio.ndim)))


def test_similarity_is_that_of_explicit_windows():
    a = images(4)
    b = np.clip(a + 0.3 * images(4, seed=1), -1, 1)
    np.testing.assert_allclose(doubles(ssim.ssim, a, b), ssim_by_windows(a, b), rtol=1e-10)
    single = jax.jit(ssim.ssim)(np.float32(a), np.float32(b))
    np.testing.assert_allclose(single, ssim_by_windows(a, b), rtol=1e-4)


@settings(max_examples=10, deadline=None, derandomize=True)
@given(st.integers(0, 2**31), st.floats(-1, 1), st.floats(-1, 1))
def test_similarity_has_its_properties(seed, p, q):
    similarity = compiled(ssim.ssim)
    a, b = np.float32(images(2, seed=seed)), np.float32(images(2, seed=seed + 1))
    np.testing.assert_allclose(similarity(a, a), 1, rtol=1e-5)
    np.testing.assert_allclose(similarity(a, b), similarity(b, a), rtol=1e-5)
    assert jnp.all(jnp.abs(similarity(a, -b)) <= 1)
    flat = similarity(np.full_like(a, p), np.full_like(a, q))
    np.testing.assert_allclose(flat, (2 * p * q + 0.0004) / (p**2 + q**2 + 0.0004), atol=1e-3)


def test_sameness_compares_others_of_the_class():
    """Each image is flat, of its own grey: the pairs can be told from the similarity."""
    greys, labels = jnp.array([0.1, 0.5, 0.2, 0.9, 0.4, 0.7]), jnp.array([5, 2, 5, 9, 2, 2])
    flat = jnp.zeros((6, 11, 11, 1)) + greys[:, None, None, None]
    found = jax.jit(lambda key: ssim.intra_class_ssim(flat, labels, key, num=4000))(
        jax.random.key(0)
    )

    def of(p, q):
        return (2 * p * q + 0.0004) / (p**2 + q**2 + 0.0004)

    # Of five images with a partner two are of class 5, whose pair is always the same; three of class 2.
    expected = 0.4 * of(0.1, 0.2) + 0.6 * np.mean([of(0.5, 0.4), of(0.5, 0.7), of(0.4, 0.7)])
    assert abs(found.value - expected) < 4 * found.error
    assert 0 < found.error < 0.01


def test_sameness_of_a_collapsed_set_is_one():
    labels, varied = np.arange(40) % 4, np.float32(images(40, (11, 11), 1))
    sets, keys = np.stack([varied, varied[labels], varied]), jax.random.split(jax.random.key(1), 3)
    found = jax.vmap(partial(ssim.intra_class_ssim, num=50))(
        sets, np.stack([labels, labels, np.arange(40)]), keys
    )
    assert found.value[0] < 0.3
    np.testing.assert_allclose([found.value[1], found.error[1]], [1, 0], atol=1e-5)
    assert np.isnan(found.value[2])  # each image is alone in its class


def test_each_fault_shows_where_it_should():
    """Samples of 4 far modes in 8 dimensions: all well, one mode dropped, collapsed to 4 points, or noisy."""
    rng, centres = np.random.default_rng(0), 3 * np.eye(8)[:4]
    labels = rng.integers(4, size=(2, 1000))
    real, good = (centres[i] + 0.3 * rng.normal(size=(1000, 8)) for i in labels)
    dropped = centres[rng.integers(1, 4, size=1000)] + 0.3 * rng.normal(size=(1000, 8))
    faults = {"good": good, "dropped": dropped, "collapsed": centres[labels[1]], "noisy": good * 2}
    far = {name: doubles(frechet_of, real, fake) for name, fake in faults.items()}
    kid = {
        name: doubles(kernel.kernel_distance, real, fake, block=100)
        for name, fake in faults.items()
    }
    assert min(far["dropped"], far["collapsed"], far["noisy"]) > 5 * far["good"]
    assert abs(kid["good"].value) < 4 * kid["good"].error
    assert all(kid[name].value > 4 * kid[name].error for name in ("dropped", "noisy"))

    @jax.jit
    def judge(logits):
        counts = classes.class_counts(jnp.argmax(logits, axis=1), 4)
        return (
            classes.count_modes(counts),
            classes.kl_divergence(counts, jnp.ones(4)),
            classes.classifier_score(logits),
        )

    good, dropped = (
        judge(np.float32(10 * faults[name] @ centres.T)) for name in ("good", "dropped")
    )
    assert good[1] < 10 * classes.expected_kl(4, 1000)
    np.testing.assert_allclose(good, [4, 0, 4], atol=0.05)
    np.testing.assert_allclose(dropped, [3, math.log(4 / 3), 3], atol=0.15)


def test_everything_under_vmap():
    x, y = (np.float32(normal(3, 20, 5, seed=seed)) for seed in range(2))
    for function in (frechet_of, lambda a, b: kernel.kernel_distance(a, b, block=6)):
        each = [jax.tree.map(float, jax.jit(function)(x[i], y[i])) for i in range(3)]
        together = jax.jit(jax.vmap(function))(x, y)
        chex.assert_trees_all_close(
            together, jax.tree.map(lambda *z: jnp.array(z), *each), rtol=1e-3, atol=1e-5
        )


def test_what_is_wrong_is_refused():
    features, pictures = np.zeros((6, 3), np.float32), np.zeros((3, 11, 11, 1), np.float32)
    moments = [frechet.Moments(np.zeros(dim), np.eye(dim)) for dim in (3, 2)]
    key = jax.random.key(0)
    for error, message, call in (
        (
            ShapeError,
            r"expected \[N, F\] with N",
            lambda: frechet.feature_moments(np.zeros((1, 3))),
        ),
        (ShapeError, r"expected \[N, F\] with N", lambda: frechet.feature_moments(np.zeros(3))),
        (ShapeError, "of 3 and 2 features", lambda: frechet.frechet_distance(*moments)),
        (
            ShapeError,
            r"\[6, 3\], fake \[3, 3\]",
            lambda: kernel.kernel_distance(features, features[:3]),
        ),
        (
            ShapeError,
            r"expected \[N, F\]",
            lambda: kernel.kernel_distance(features, features[:, :2]),
        ),
        (
            ShapeError,
            r"expected \[N, F\]",
            lambda: kernel.kernel_distance(features[0], features[0]),
        ),
        (ConfigError, "block is 1", lambda: kernel.kernel_distance(features, features, block=1)),
        (ShapeError, r"expected \[N, K\]", lambda: classes.classifier_score(features[0])),
        (ShapeError, r"expected \[N\]", lambda: classes.class_counts(np.zeros((3, 1), int), 2)),
        (DtypeError, "expected integers", lambda: classes.class_counts(features[0], 2)),
        (
            ShapeError,
            r"\[3\], reference_counts \[2\]",
            lambda: classes.kl_divergence(features[0], features[0, :2]),
        ),
        (ShapeError, r"expected \[K\] of both", lambda: classes.kl_divergence(features, features)),
        (ShapeError, "at least 11", lambda: ssim.ssim(pictures[:, :10], pictures[:, :10])),
        (ShapeError, "twice", lambda: ssim.ssim(pictures, pictures[:1])),
        (DtypeError, "uint8", lambda: ssim.ssim(pictures, pictures.astype(np.uint8))),
        (
            ShapeError,
            r"labels \[2\]",
            lambda: ssim.intra_class_ssim(pictures, np.zeros(2, int), key),
        ),
        (
            ConfigError,
            "num is 1",
            lambda: ssim.intra_class_ssim(pictures, np.zeros(3, int), key, num=1),
        ),
    ):
        with pytest.raises(error, match=message):
            call()
