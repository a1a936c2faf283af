"""Inversion finds the latent vectors of given samples."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from jaxgan import invert, models, priors
from jaxgan.errors import ConfigError, DtypeError, ShapeError
from tests.helpers.networks import SHAPE, tiny_gan


class Linear(nn.Module):
    """An affine generator: the best latent vectors are known."""

    @nn.compact
    def __call__(self, z, *, train):
        return nn.Dense(36)(z).reshape(-1, *SHAPE)


@pytest.fixture(scope="module")
def linear_gan():
    gan = tiny_gan(generator=Linear(), prior=priors.normal(3))
    return gan, gan.init(jax.random.key(0), jnp.zeros((1, *SHAPE)))


def test_invert_recovers_the_latent_vectors_of_samples(linear_gan):
    gan, state = linear_gan
    z = gan.prior(jax.random.key(1), 4)
    images = gan.generate(state.g.variables, z)
    found = invert(gan, state, images, jax.random.key(2), num_starts=2, steps=300)
    np.testing.assert_allclose(found.z, z, atol=1e-2)
    assert found.error.max() < 1e-4
    np.testing.assert_allclose(found.samples, images, atol=1e-2)


def test_invert_finds_the_least_squares_solution_of_other_images(linear_gan):
    gan, state = linear_gan
    images = jax.random.normal(jax.random.key(3), (5, *SHAPE))
    found = invert(gan, state, images, jax.random.key(2), num_starts=2, steps=300)
    layer = state.g.params["Dense_0"]
    target = np.asarray(images.reshape(5, -1)).T - np.asarray(layer["bias"])[:, None]
    best, residuals, *_ = np.linalg.lstsq(np.asarray(layer["kernel"]).T, target, rcond=None)
    np.testing.assert_allclose(found.z, best.T, atol=1e-2)
    np.testing.assert_allclose(found.error, residuals / 36, rtol=1e-3)


def test_invert_keeps_the_best_of_several_starts():
    gan = tiny_gan()
    state = gan.init(jax.random.key(0), jnp.zeros((1, *SHAPE)))
    images = gan.generate(state.g.variables, gan.prior(jax.random.key(1), 3))
    options = {"steps": 20, "learning_rate": 0.05}
    single, several = (
        invert(gan, state, images, jax.random.key(2), num_starts=n, **options) for n in (1, 6)
    )
    assert several.error.mean() < single.error.mean()
    errors = jnp.mean((several.samples - images) ** 2, axis=(1, 2, 3))
    np.testing.assert_allclose(errors, several.error, rtol=1e-5)


def test_invert_uses_the_condition_the_average_and_the_projection():
    gan = tiny_gan(
        generator=models.MLPGenerator(shape=SHAPE, widths=(8,), num_classes=2),
        discriminator=models.MLPDiscriminator(widths=(8,), num_classes=2),
        ema_half_life=100.0,
    )
    labels = jnp.arange(2)
    state = gan.init(jax.random.key(0), jnp.zeros((1, *SHAPE)), labels[:1])
    average = jax.tree.map(lambda x: x + 0.1, state.g_ema)
    state = state.replace(g_ema=average)
    images = gan.generate(average, gan.prior(jax.random.key(1), 2), labels)
    found = invert(
        gan,
        state,
        images,
        jax.random.key(2),
        labels,
        num_starts=2,
        steps=3,
        projection=lambda z: jnp.clip(z, -0.1, 0.1),
    )
    assert jnp.abs(found.z).max() <= 0.1
    np.testing.assert_allclose(found.samples, gan.generate(average, found.z, labels), rtol=1e-5)


@pytest.mark.parametrize(
    ("changes", "error", "message"),
    [
        ({"images": jnp.zeros((2, 5, 5, 1))}, ShapeError, r"\[2, 5, 5, 1\], but the generator"),
        ({"images": jnp.zeros(SHAPE)}, ShapeError, r"pass a batch \[N, …\] of such samples"),
        ({"images": jnp.zeros(())}, ShapeError, r"shape \[\], but the generator"),
        ({"images": jnp.zeros((2, *SHAPE), jnp.uint8)}, DtypeError, "images"),
        ({"num_starts": 0}, ConfigError, "num_starts is 0"),
        ({"steps": 0}, ConfigError, "steps is 0"),
        ({"learning_rate": 0.0}, ConfigError, "learning_rate is 0"),
    ],
)
def test_invert_refuses_invalid_arguments(linear_gan, changes, error, message):
    gan, state = linear_gan
    arguments = {"images": jnp.zeros((2, *SHAPE)), "key": jax.random.key(0)} | changes
    with pytest.raises(error, match=message):
        invert(gan, state, **arguments)


def test_invert_ignores_starts_with_errors_that_are_not_finite(linear_gan):
    gan, state = linear_gan
    images = jax.random.normal(jax.random.key(3), (2, *SHAPE))

    def diverge(z):  # of some starts
        return jnp.where(z[:, :1] > 0, jnp.nan, z)

    found = invert(gan, state, images, jax.random.key(2), num_starts=8, steps=1, projection=diverge)
    assert jnp.isfinite(found.error).all()
    assert jnp.isfinite(found.samples).all()
