"""Walks and planes in the latent space."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan import latents, priors
from jaxgan.errors import ConfigError, ShapeError

CORNERS = jax.random.normal(jax.random.key(0), (3, 4))


def test_draw_latents_returns_the_first_vector_of_each_seed():
    prior = priors.uniform(4)
    z = latents.draw_latents(prior, (3, 7))
    np.testing.assert_array_equal(z[1], prior(jax.random.key(7), 1)[0])
    assert z.shape == (2, 4)


@pytest.mark.parametrize(
    ("prior", "expected"),
    [
        (priors.normal(1), True),
        (priors.normal(100), True),
        (priors.uniform(3), False),
        (lambda key, num: 3 + jax.random.normal(key, (num, 4)), False),
    ],
)
def test_is_normal_tells_the_priors_apart(prior, expected):
    assert latents.is_normal(prior) is expected


def test_interpolate_walks_a_closed_polygon():
    z = latents.interpolate(CORNERS, 24, closed=True)
    np.testing.assert_allclose(z[::8], CORNERS, rtol=1e-6)
    np.testing.assert_allclose(z[4], (CORNERS[0] + CORNERS[1]) / 2, rtol=1e-5)
    np.testing.assert_allclose(z[22], (CORNERS[2] + 3 * CORNERS[0]) / 4, rtol=1e-5)


def test_interpolate_walks_from_the_first_to_the_last_point():
    z = latents.interpolate(CORNERS, 9)
    np.testing.assert_allclose(z[::4], CORNERS, rtol=1e-6)
    np.testing.assert_allclose(z[5], (3 * CORNERS[1] + CORNERS[2]) / 4, rtol=1e-5)


def test_spherical_interpolation_keeps_the_length_and_divides_the_angle():
    points = CORNERS / jnp.linalg.norm(CORNERS, axis=1, keepdims=True)
    z = latents.interpolate(points[:2], 5, spherical=True)
    np.testing.assert_allclose(jnp.linalg.norm(z, axis=1), 1, rtol=1e-5)
    angles = jnp.arccos(jnp.sum(z[1:] * z[:-1], axis=1))
    np.testing.assert_allclose(angles, jnp.arccos(points[0] @ points[1]) / 4, rtol=1e-4)


@pytest.mark.parametrize("factor", [1.0, 2.0, -1.0])
def test_spherical_interpolation_of_parallel_vectors_is_linear(factor):
    pair = jnp.stack([CORNERS[0], factor * CORNERS[0]])
    z = latents.interpolate(pair, 5, spherical=True)
    np.testing.assert_allclose(z, latents.interpolate(pair, 5), atol=1e-6)


@pytest.mark.parametrize("spherical", [False, True])
def test_interpolate_grid_has_the_corners(spherical):
    corners = jax.random.normal(jax.random.key(1), (4, 5))
    plane = latents.interpolate_grid(corners, 3, spherical=spherical)
    assert plane.shape == (3, 3, 5)
    np.testing.assert_allclose(plane[::2, ::2].reshape(4, 5), corners, rtol=1e-5)
    if not spherical:
        np.testing.assert_allclose(plane[1, 1], corners.mean(0), rtol=1e-4, atol=1e-6)


@pytest.mark.parametrize("num", [2, 3, 5])
def test_interpolate_grid_refuses_other_than_four_corners(num):
    with pytest.raises(ShapeError, match=rf"corners have shape \[{num}, 5\], expected \[4, dim\]"):
        latents.interpolate_grid(jnp.ones((num, 5)), 3)


def test_interpolate_grid_refuses_a_single_row():
    with pytest.raises(ConfigError, match="size is 1, expected at least 2"):
        latents.interpolate_grid(jnp.ones((4, 5)), 1)


def test_interpolate_refuses_one_point_and_no_results():
    with pytest.raises(ShapeError, match="n at least 2"):
        latents.interpolate(CORNERS[:1], 5)
    with pytest.raises(ConfigError, match="num is 0"):
        latents.interpolate(CORNERS, 0)
