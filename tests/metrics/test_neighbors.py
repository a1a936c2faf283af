"""Search for nearest neighbors, against brute force in float64."""

from functools import partial

import numpy as np
import pytest

from jaxgan.errors import ConfigError, ShapeError
from jaxgan.metrics import neighbors
from tests.helpers.arrays import all_distances, normal


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


def test_nearest_neighbors_reject_wrong_shapes():
    x, y = np.zeros((8, 3)), np.zeros((6, 2))
    for pair in ((x, y), (x[0], x[0]), (x, x[None])):
        with pytest.raises(ShapeError, match=r"expected \[N, F\]"):
            neighbors.nearest_neighbors(*pair, k=1)


def test_nearest_neighbors_reject_k_above_the_number_of_references():
    x = np.zeros((8, 3))
    with pytest.raises(ConfigError, match="k is 9, expected 1 to 8"):
        neighbors.nearest_neighbors(x, x, 9)


@pytest.mark.parametrize("k", [0, 8])
def test_knn_radii_reject_k_out_of_range(k):
    with pytest.raises(ConfigError, match=f"k is {k}, expected 1 to 7"):
        neighbors.knn_radii(np.zeros((8, 3)), k)


@pytest.mark.parametrize("k", [2.0, "2", None])
def test_searches_reject_k_that_is_not_an_integer(k):
    x = normal(8, 3)
    for function in (neighbors.knn_radii, partial(neighbors.nearest_neighbors, x)):
        with pytest.raises(ConfigError, match=f"k is {k!r}, expected an integer"):
            function(x, k)
