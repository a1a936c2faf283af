"""Mixtures of Gaussians, and the source that draws from them."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.data.mixture import GRID, MIXTURES, RING, mixture_source
from jaxgan.errors import ConfigError


def test_ring_and_grid_have_the_published_means():
    assert (RING.means.shape, RING.sigma) == ((8, 2), 0.01)
    np.testing.assert_allclose(np.linalg.norm(RING.means, axis=1), 1)
    gaps = np.linalg.norm(RING.means - np.roll(RING.means, 1, axis=0), axis=1)
    np.testing.assert_allclose(gaps, 2 * np.sin(np.pi / 8))
    assert (GRID.means.shape, GRID.sigma) == ((25, 2), 0.05)
    coordinates = (-4, -2, 0, 2, 4)
    assert {tuple(mean) for mean in GRID.means} == {
        (x, y) for x in coordinates for y in coordinates
    }


@pytest.mark.parametrize("kind", MIXTURES)
def test_mixture_source_draws_each_mode_equally_often_with_its_sigma(kind):
    mixture, num = MIXTURES[kind], 20_000
    source = mixture_source(mixture, num, 7)
    assert (source.arrays, source.batches_per_epoch) == ((), 7)
    assert source.order(jax.random.key(0), 0) == ()
    batch = jax.jit(lambda key: source.batch((), (), key, 0))
    x, condition = batch(jax.random.key(0))
    assert condition is None
    chex.assert_shape(x, (num, 2))
    assert x.dtype == jnp.float32
    offsets = np.asarray(x, np.float64)[:, None] - mixture.means[None]
    nearest = np.argmin(np.sum(offsets**2, axis=2), axis=1)
    counts = np.bincount(nearest, minlength=len(mixture.means))
    mean = num / len(counts)
    assert np.abs(counts - mean).max() < 4.5 * mean**0.5
    noise = offsets[np.arange(num), nearest] / mixture.sigma
    np.testing.assert_allclose(np.cov(noise.T), np.eye(2), atol=0.05)
    np.testing.assert_allclose(noise.mean(0), 0, atol=0.03)
    assert not np.array_equal(x, batch(jax.random.key(1))[0])


def test_mixture_source_refuses_sizes_below_one():
    with pytest.raises(ConfigError, match="batch_size is 0 and batches_per_epoch is 1000"):
        mixture_source(RING, 0)
