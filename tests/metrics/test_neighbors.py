"""Nearest neighbors and the metrics built on them, against brute force in float64."""

from functools import partial

import jax
import numpy as np
import pytest

from jaxgan.errors import ConfigError, ShapeError
from jaxgan.metrics import fidelity_diversity, neighbors
from tests.helpers.arrays import normal

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


def all_distances(x, y):
    return np.sqrt(np.sum((x[:, None] - y[None]) ** 2, -1))


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


@pytest.mark.parametrize(("num", "dim", "batch_size"), [(50, 3, 16), (333, 20, 64), (7, 9, 100)])
def test_nearest_neighbors_match_brute_force(num, dim, batch_size):
    x, y = normal(num + 20, dim), 0.5 + normal(num, dim, seed=1)
    distances, indices = neighbors.nearest_neighbors(
        np.float32(x + 10), np.float32(y + 10), 5, batch_size=batch_size
    )
    between = all_distances(x, y)
    np.testing.assert_array_equal(indices, np.argsort(between, 1)[:, :5])
    np.testing.assert_allclose(distances, np.sort(between, 1)[:, :5], rtol=1e-4)


def test_nearest_neighbors_find_copies():
    real, copied = np.float32(normal(300, 40)), np.arange(0, 100, 7)
    distances, indices = neighbors.nearest_neighbors(real[copied], real, 1)
    np.testing.assert_array_equal(indices[:, 0], copied)
    np.testing.assert_array_equal(distances, 0)
    new, _ = neighbors.nearest_neighbors(np.float32(normal(15, 40, seed=1)), real, 1)
    assert np.min(new) > 1


def test_nearest_neighbors_can_return_all_references():
    x, y = normal(3, 9), normal(200, 9, seed=1)
    distances, indices = neighbors.nearest_neighbors(np.float32(x), np.float32(y), 200)
    np.testing.assert_allclose(distances, np.sort(all_distances(x, y), 1), rtol=1e-4)
    np.testing.assert_array_equal(np.sort(indices, 1), np.tile(np.arange(200), (3, 1)))


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
        partial(neighbors.nearest_neighbors, k=1),
    ],
)
def test_neighbor_metrics_reject_wrong_shapes(function):
    x, y = np.zeros((8, 3)), np.zeros((6, 2))
    for pair in ((x, y), (x[0], x[0]), (x, x[None])):
        with pytest.raises(ShapeError, match=r"expected \[N, F\]"):
            function(*pair)


def test_nearest_neighbors_reject_k_above_the_number_of_references():
    x = np.zeros((8, 3))
    with pytest.raises(ConfigError, match="k is 9, expected 1 to 8"):
        neighbors.nearest_neighbors(x, x, 9)


@pytest.mark.parametrize("k", [0, 8])
def test_knn_radii_reject_k_out_of_range(k):
    with pytest.raises(ConfigError, match=f"k is {k}, expected 1 to 7"):
        neighbors.knn_radii(np.zeros((8, 3)), k)


@pytest.mark.parametrize("k", [2.0, "2", None])
def test_neighbor_metrics_reject_k_that_is_not_an_integer(k):
    x = normal(8, 3)
    for function in (neighbors.knn_radii, partial(neighbors.nearest_neighbors, x)):
        with pytest.raises(ConfigError, match=f"k is {k!r}, expected an integer"):
            function(x, k)
