import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from jax import lax

from jaxgan import penalties
from jaxgan.models import layers
from tests.helpers.networks import SHAPE, assert_same_bits, draw_arrays, real_batch, small_gan


@pytest.mark.parametrize(
    ("kernel", "strides"), [((4, 4), (2, 2)), ((5, 4), (2, 1)), ((3, 3), (3, 3)), ((2, 5), (1, 2))]
)
def test_conv_transpose_is_linens(kernel, strides):
    (x,) = draw_arrays((2, 5, 4, 3))
    ours, theirs = layers.ConvTranspose(6, kernel, strides), nn.ConvTranspose(6, kernel, strides)
    variables = theirs.init(jax.random.key(0), x)
    assert jax.tree.map(jnp.shape, variables) == jax.tree.map(
        jnp.shape, ours.init(jax.random.key(0), x)
    )
    np.testing.assert_allclose(
        ours.apply(variables, x), theirs.apply(variables, x), rtol=1e-5, atol=1e-5
    )


def test_max_pool_is_linens_and_shares_gradients_of_equals():
    (x,) = draw_arrays((2, 7, 8, 3))
    np.testing.assert_array_equal(layers.max_pool(x), nn.max_pool(x, (2, 2), (2, 2)))
    ours, theirs = (
        jax.grad(lambda x, f=f: jnp.sum(f(x) ** 2))(x)
        for f in (layers.max_pool, lambda x: nn.max_pool(x, (2, 2), (2, 2)))
    )
    np.testing.assert_allclose(ours, theirs)
    np.testing.assert_array_equal(
        jax.grad(lambda x: jnp.sum(layers.max_pool(x)))(jnp.ones((1, 2, 2, 1))),
        np.full((1, 2, 2, 1), 0.25),
    )


@pytest.mark.parametrize("fan_in", [1, 25, 1024])
def test_uniform_fan_in_fills_its_interval_evenly(fan_in):
    values = np.asarray(layers.uniform_fan_in(fan_in)(jax.random.key(0), (20_000,))) * math.sqrt(
        fan_in
    )
    assert -1 <= values.min() < -0.999
    assert 0.999 < values.max() <= 1
    np.testing.assert_allclose(np.sort(values)[::2000], np.linspace(-1, 1, 11)[:-1], atol=0.03)


class Single(nn.Module):
    """One spectrally normalised layer whose output on `probes` is its normalised kernel, as a matrix."""

    shape: tuple[int, ...]

    def probes(self):
        *window, inputs, _ = self.shape
        return jnp.eye(math.prod(window) * inputs).reshape(-1, *window, inputs)

    @nn.compact
    def __call__(self, *, train):
        options = {"use_bias": False, "apply": partial(layers.spectral_norm, train=train)}
        if len(self.shape) == 2:
            return layers.dense(self.probes(), self.shape[-1], **options)
        y = layers.conv(self.probes(), self.shape[-1], self.shape[:2], **options)
        return y.reshape(-1, self.shape[-1])


def iterate(kernel, steps):
    """The normalised kernel as a matrix, and the largest singular value and its vector after each step."""
    layer = Single(kernel.shape)
    variables = layer.init(jax.random.key(0), train=True)
    params = jax.tree.map(lambda _: jnp.float32(kernel), variables["params"])

    def step(state, _):
        y, state = layer.apply({"params": params, **state}, train=True, mutable=["batch_stats"])
        ((_, found),) = state["batch_stats"].items()
        return state, (y, *(found[name] for name in sorted(found)))

    state = {"batch_stats": variables["batch_stats"]}
    return jax.tree.map(np.asarray, jax.jit(lambda s: lax.scan(step, s, length=steps)[1])(state))


ROTATION = np.linalg.qr(np.random.default_rng(0).normal(size=(4, 4)))[0]
SKEW = np.array([[3.0, 0.0], [4.0, 5.0]])


@pytest.mark.parametrize(
    ("kernel", "largest"),
    [
        (np.diag([0.5, -3.0, 2.0]), 3.0),
        (ROTATION, 1.0),
        (np.outer([1.0, 2.0, 2.0], [3.0, 4.0]), 15.0),
        (SKEW, 3 * math.sqrt(5)),
        (np.random.default_rng(1).normal(size=(2, 3, 2, 4)), None),
    ],
    ids=["diagonal", "rotation", "rank one", "skew", "convolution"],
)
def test_spectral_norm_is_the_largest_singular_value(kernel, largest):
    matrix = kernel.reshape(-1, kernel.shape[-1])
    normed, sigma, _ = (x[-1] for x in iterate(kernel, 60))
    np.testing.assert_allclose(sigma, largest or np.linalg.norm(matrix, 2), rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(normed, 2), 1, rtol=1e-5)
    np.testing.assert_allclose(normed * sigma, matrix, rtol=1e-5, atol=1e-5)


def test_a_step_of_power_iteration_shrinks_the_error_by_the_squared_ratio():
    _, _, u = iterate(SKEW, 5)
    along, across = (np.linalg.svd(SKEW)[2] @ u[:, 0].T)[:2]
    np.testing.assert_allclose((across / along)[1:] / (across / along)[:-1], 5 / 45, rtol=1e-3)


def test_spectral_norm_of_nothing_is_finite():
    layer = Single((3, 2))
    variables = jax.tree.map(jnp.zeros_like, layer.init(jax.random.key(0), train=True))
    for train in (True, False):
        slopes = jax.jit(
            jax.grad(lambda v, t=train: layer.apply(v, train=t, mutable=["batch_stats"])[0].sum())
        )
        assert all(np.all(np.isfinite(x)) for x in jax.tree.leaves(slopes(variables)))


class Discriminator(nn.Module):
    normed: bool = True

    @nn.compact
    def __call__(self, x, *, train):
        options = {"apply": partial(layers.spectral_norm, train=train)} if self.normed else {}
        x = jnp.tanh(layers.conv(x, 2, (2, 2), strides=2, **options))
        return layers.dense(x.reshape(len(x), -1), 1, **options).squeeze(-1)


def test_a_gan_with_spectral_norms():
    real, plain = real_batch(), Discriminator(normed=False)
    gan = small_gan(discriminator=Discriminator(), penalty=penalties.gradient_penalty())
    state = gan.init(jax.random.key(0), real)
    shapes = jax.eval_shape(
        partial(plain.init, train=True), jax.random.key(0), jnp.zeros((1, *SHAPE))
    )
    assert jax.tree.map(jnp.shape, state.d.params) == jax.tree.map(jnp.shape, shapes["params"])

    moved, metrics = gan.d_step(state, real, jax.random.key(1))
    assert metrics["finite"]
    assert metrics["penalty"] > 0

    @partial(jax.jit, static_argnames="train")
    def look(variables, train):
        return Discriminator().apply(variables, real, train=train, mutable=["batch_stats"])[1]

    # The real and the fake batch are a step of power iteration each; evaluation, and so the penalty, adds none.
    ahead = look(state.d.variables | look(state.d.variables, True), True)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5), ahead, moved.d.model_state)
    (before, after) = (
        s.d.model_state["batch_stats"]["SpectralNorm_0"]["Conv_0/kernel/u"] for s in (state, moved)
    )
    assert np.abs(after - before).max() > 1e-4
    assert_same_bits(look(moved.d.variables, False), moved.d.model_state)
