"""Precision, recall, density and coverage, against brute force in float64."""

from functools import partial

import jax
import numpy as np
import pytest

from jaxgan.errors import ShapeError
from jaxgan.metrics import fidelity_diversity, neighbors
from tests.helpers.arrays import all_distances, normal

NUM, BATCH_SIZE = 150, 64  # shared by most tests, which therefore share compiled programs


@partial(jax.jit, static_argnums=2)
def compute_scores(real, fake, k):
    radii = neighbors.knn_radii(real, k, batch_size=BATCH_SIZE)
    options = {"real_radii": radii, "batch_size": BATCH_SIZE}
    precision_recall = fidelity_diversity.precision_recall(real, fake, k, **options)
    return *precision_recall, *fidelity_diversity.density_coverage(real, fake, k, **options)


def scores(real, fake, k=3):
    """Precision, recall, density and coverage."""
    return np.array(compute_scores(real, fake, k))


def brute_force_scores(real, fake, k):
    """Precision, recall, density and coverage."""
    real_radii, fake_radii = (np.sort(all_distances(x, x), 1)[:, k] for x in (real, fake))
    between = all_distances(real, fake)
    inside = between <= real_radii[:, None]
    recalled = between <= fake_radii[None]
    return (
        inside.any(0).mean(),
        recalled.any(1).mean(),
        inside.sum() / (k * len(fake)),
        inside.any(1).mean(),
    )


@pytest.mark.parametrize(("dim", "num", "k"), [(2, NUM, 3), (30, NUM, 3), (9, 110, 5)])
def test_precision_recall_density_coverage_match_brute_force(dim, num, k):
    real, fake = normal(NUM, dim), 0.3 + 0.8 * normal(num, dim, seed=1)
    expected = brute_force_scores(real, fake, k)
    np.testing.assert_allclose(scores(np.float32(real), np.float32(fake), k), expected, rtol=1e-5)


def test_precision_recall_density_coverage_compute_missing_radii():
    real, fake = normal(NUM, 2), 0.3 + normal(NUM, 2, seed=1)
    pair = np.float32(real), np.float32(fake)
    values = (
        *fidelity_diversity.precision_recall(*pair),
        *fidelity_diversity.density_coverage(*pair),
    )
    expected = *brute_force_scores(real, fake, 3)[:2], *brute_force_scores(real, fake, 5)[2:]
    np.testing.assert_allclose(values, expected, rtol=1e-5)


@pytest.mark.parametrize("dim", [2, 30])
def test_precision_recall_coverage_of_a_copy_are_1(dim):
    real = np.float32(100 + normal(NUM, dim))  # far from 0, where float32 is coarse
    precision, recall, density, coverage = scores(real, real[::-1])
    assert precision == recall == coverage == 1
    np.testing.assert_allclose(density, 1 + 1 / 3, rtol=1e-6)  # a ball holds its center and k more


@pytest.mark.parametrize("dim", [2, 30])
def test_precision_recall_density_coverage_of_repeated_samples(dim):
    real, repeated = np.float32(normal(NUM, dim)), np.float32(5 + normal(1, dim))
    repeated = np.tile(repeated, (NUM, 1))
    np.testing.assert_allclose(scores(repeated, repeated), [1, 1, NUM / 3, 1], rtol=1e-6)
    np.testing.assert_array_equal(scores(real, repeated + 50), 0)
    collapsed = np.tile(real[:1], (NUM, 1))  # one good sample, repeated
    precision, recall, _, coverage = scores(real, collapsed)
    np.testing.assert_allclose([precision, recall], [1, 1 / NUM], rtol=1e-6)
    assert coverage < 0.2


def test_precision_recall_density_coverage_detect_failure_modes():
    """Four distant modes in 30 dimensions: mode 0 dropped, samples noisy, or all shifted away."""
    rng = np.random.default_rng(0)
    labels, centers = np.arange(NUM) % 4, 100 * np.eye(30)[:4]
    real, fake = (np.float32(centers[labels] + rng.normal(size=(NUM, 30))) for _ in range(2))
    without_mode_0 = np.where(labels == 0, np.arange(NUM) + 1, np.arange(NUM))
    share = np.mean(labels > 0)
    good, dropped = scores(real, fake), scores(real, fake[without_mode_0])
    noisy = scores(real, fake * 1.5)
    assert good[0] > 0.7
    np.testing.assert_array_less(good[[1, 3]] * 0.6, dropped[[1, 3]])
    np.testing.assert_array_less(dropped[[1, 3]], share + 0.01)
    incomplete_copy = scores(real, real[without_mode_0])
    np.testing.assert_allclose(incomplete_copy[[0, 1, 3]], [1, share, share], rtol=1e-6)
    assert noisy[0] < 0.3 * good[0]
    assert noisy[2] < 0.3 * good[2]
    np.testing.assert_array_equal(scores(real, fake + 50), 0)


def test_precision_recall_density_coverage_resolve_narrow_distant_clusters():
    """Modes of standard deviation 0.001 at distance 1, as in a ring of Gaussians."""
    rng = np.random.default_rng(0)
    corners = np.array([[0, 1], [1, 0], [-1, 0], [0, -1]])
    real, fake = (
        np.float32(corners[rng.integers(4, size=NUM)] + 0.001 * rng.normal(size=(NUM, 2)))
        for _ in range(2)
    )
    expected = brute_force_scores(np.float64(real), np.float64(fake), 3)
    np.testing.assert_allclose(scores(real, fake), expected, atol=1e-6)


def test_expected_coverage_is_the_mean_for_equal_distributions():
    draws = [np.float32(normal(100, num, 3, seed=seed)) for seed, num in enumerate((60, 90))]
    result = jax.vmap(partial(fidelity_diversity.density_coverage, k=4))(*draws)
    expected = 1, fidelity_diversity.expected_coverage(60, 90, 4)
    for values, mean in zip(result, expected, strict=True):
        assert abs(np.mean(values) - mean) < 4 * np.std(values) / 100**0.5
    assert np.std(result.coverage) / 100**0.5 < 0.01


@pytest.mark.parametrize(
    "function",
    [
        fidelity_diversity.precision_recall,
        fidelity_diversity.density_coverage,
    ],
)
def test_scores_reject_wrong_shapes(function):
    x, y = np.zeros((8, 3)), np.zeros((6, 2))
    for pair in ((x, y), (x[0], x[0]), (x, x[None])):
        with pytest.raises(ShapeError, match=r"expected \[N, F\]"):
            function(*pair)
