"""Nearest neighbours and what is made of them, against brute force in float64."""

from functools import partial

import jax
import numpy as np
import pytest

from jaxgan.errors import ConfigError, ShapeError
from jaxgan.metrics import neighbors

NUM, BLOCK = 150, 64  # the same in most tests, which thus share their programs


def scores(real, fake, k=3):
    """Precision, recall, density and coverage."""
    return np.array(compute(real, fake, k))


@partial(jax.jit, static_argnums=2)
def compute(real, fake, k):
    options = {"real_radii": neighbors.knn_radii(real, k, block=BLOCK), "block": BLOCK}
    precise = neighbors.precision_recall(real, fake, k, **options)
    return *precise, *neighbors.density_coverage(real, fake, k, **options)


def normal(*shape, seed=0):
    return np.random.default_rng(seed).normal(size=shape)


def all_distances(x, y):
    return np.sqrt(np.sum((x[:, None] - y[None]) ** 2, -1))


def brute(real, fake, k):
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


@pytest.mark.parametrize(("num", "dim", "block"), [(50, 3, 16), (333, 20, 64), (7, 9, 100)])
def test_nearest_is_that_of_brute_force(num, dim, block):
    x, y = normal(num + 20, dim), 0.5 + normal(num, dim, seed=1)
    distances, indices = neighbors.nearest_neighbors(
        np.float32(x + 10), np.float32(y + 10), 5, block=block
    )
    between = all_distances(x, y)
    np.testing.assert_array_equal(indices, np.argsort(between, 1)[:, :5])
    np.testing.assert_allclose(distances, np.sort(between, 1)[:, :5], rtol=1e-4)


def test_nearest_finds_what_was_memorised():
    real, copied = np.float32(normal(300, 40)), np.arange(0, 100, 7)
    distances, indices = neighbors.nearest_neighbors(real[copied], real, 1)
    np.testing.assert_array_equal(indices[:, 0], copied)
    np.testing.assert_array_equal(distances, 0)
    new, _ = neighbors.nearest_neighbors(np.float32(normal(15, 40, seed=1)), real, 1)
    assert np.min(new) > 1


def test_all_of_the_references_can_be_asked_for():
    x, y = normal(3, 9), normal(200, 9, seed=1)
    distances, indices = neighbors.nearest_neighbors(np.float32(x), np.float32(y), 200)
    np.testing.assert_allclose(distances, np.sort(all_distances(x, y), 1), rtol=1e-4)
    np.testing.assert_array_equal(np.sort(indices, 1), np.tile(np.arange(200), (3, 1)))


@pytest.mark.parametrize(("dim", "num", "k"), [(2, NUM, 3), (30, NUM, 3), (9, 110, 5)])
def test_scores_are_those_of_brute_force(dim, num, k):
    real, fake = normal(NUM, dim), 0.3 + 0.8 * normal(num, dim, seed=1)
    np.testing.assert_allclose(
        scores(np.float32(real), np.float32(fake), k), brute(real, fake, k), rtol=1e-5
    )


def test_scores_find_the_radii_themselves():
    real, fake = normal(NUM, 2), 0.3 + normal(NUM, 2, seed=1)
    pair = np.float32(real), np.float32(fake)
    found = *neighbors.precision_recall(*pair), *neighbors.density_coverage(*pair)
    np.testing.assert_allclose(
        found, [*brute(real, fake, 3)[:2], *brute(real, fake, 5)[2:]], rtol=1e-5
    )


@pytest.mark.parametrize("dim", [2, 30])
def test_a_copy_has_everything(dim):
    real = np.float32(100 + normal(NUM, dim))  # far from 0, where float32 is coarse
    found = scores(real, real[::-1])
    np.testing.assert_array_equal(found[[0, 1, 3]], 1)
    np.testing.assert_allclose(
        found[2], 1 + 1 / 3, rtol=1e-6
    )  # a ball holds its centre and k others


@pytest.mark.parametrize("dim", [2, 30])
def test_sets_of_one_point(dim):
    real, same = np.float32(normal(NUM, dim)), np.tile(np.float32(5 + normal(1, dim)), (NUM, 1))
    np.testing.assert_allclose(scores(same, same), [1, 1, NUM / 3, 1], rtol=1e-6)
    np.testing.assert_array_equal(scores(real, same + 50), 0)
    precision, recall, _, coverage = scores(
        real, np.tile(real[:1], (NUM, 1))
    )  # a good sample, over and over
    np.testing.assert_allclose([precision, recall], [1, 1 / NUM], rtol=1e-6)
    assert coverage < 0.2


def test_each_fault_shows_where_it_should():
    """Four far modes in 30 dimensions; mode 0 may be missing, the samples noisy, or all of it elsewhere."""
    rng = np.random.default_rng(0)
    labels, centres = np.arange(NUM) % 4, 100 * np.eye(30)[:4]
    real, fake = (np.float32(centres[labels] + rng.normal(size=(NUM, 30))) for _ in range(2))
    kept = np.where(labels == 0, np.arange(NUM) + 1, np.arange(NUM))
    share = np.mean(labels > 0)
    good, dropped, noisy = scores(real, fake), scores(real, fake[kept]), scores(real, fake * 1.5)
    assert good[0] > 0.7
    np.testing.assert_array_less(good[[1, 3]] * 0.6, dropped[[1, 3]])
    np.testing.assert_array_less(dropped[[1, 3]], share + 0.01)
    np.testing.assert_allclose(scores(real, real[kept])[[0, 1, 3]], [1, share, share], rtol=1e-6)
    assert noisy[0] < 0.3 * good[0]
    assert noisy[2] < 0.3 * good[2]
    np.testing.assert_array_equal(scores(real, fake + 50), 0)


def test_close_clusters_far_apart():
    """Modes of deviation 0.001 at distance 1, as rings of Gaussians have: no distance may drown in rounding."""
    rng = np.random.default_rng(0)
    corners = np.array([[0, 1], [1, 0], [-1, 0], [0, -1]])
    real, fake = (
        np.float32(corners[rng.integers(4, size=NUM)] + 0.001 * rng.normal(size=(NUM, 2)))
        for _ in range(2)
    )
    np.testing.assert_allclose(
        scores(real, fake), brute(np.float64(real), np.float64(fake), 3), atol=1e-6
    )


def test_expectations_for_equal_laws():
    draws = [np.float32(normal(100, num, 3, seed=seed)) for seed, num in enumerate((60, 90))]
    found = jax.vmap(partial(neighbors.density_coverage, k=4))(*draws)
    for values, expected in zip(found, (1, neighbors.expected_coverage(60, 90, 4)), strict=True):
        assert abs(np.mean(values) - expected) < 4 * np.std(values) / 100**0.5
    assert np.std(found.coverage) / 100**0.5 < 0.01


def test_what_is_wrong_is_refused():
    x, y = np.zeros((8, 3)), np.zeros((6, 2))
    for call in (
        neighbors.precision_recall,
        neighbors.density_coverage,
        lambda a, b: neighbors.nearest_neighbors(a, b, 1),
    ):
        for pair in ((x, y), (x[0], x[0]), (x, x[None])):
            with pytest.raises(ShapeError, match=r"expected \[N, F\]"):
                call(*pair)
    with pytest.raises(ConfigError, match="k is 9, expected 1 to 8"):
        neighbors.nearest_neighbors(x, x, 9)
    for k in (0, 8):
        with pytest.raises(ConfigError, match=f"k is {k}, expected 1 to 7"):
            neighbors.knn_radii(x, k)
