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
    ("kernel_size", "strides"),
    [((4, 4), (2, 2)), ((5, 4), (2, 1)), ((3, 3), (3, 3)), ((2, 5), (1, 2))],
)
def test_conv_transpose_equals_linen(kernel_size, strides):
    (x,) = draw_arrays((2, 5, 4, 3))
    ours = layers.ConvTranspose(6, kernel_size, strides)
    linen = nn.ConvTranspose(6, kernel_size, strides)
    variables = linen.init(jax.random.key(0), x)
    shapes, linen_shapes = (
        jax.tree.map(jnp.shape, v) for v in (ours.init(jax.random.key(0), x), variables)
    )
    assert shapes == linen_shapes
    np.testing.assert_allclose(
        ours.apply(variables, x), linen.apply(variables, x), rtol=1e-5, atol=1e-5
    )


def test_max_pool_equals_linen_and_splits_the_gradient_of_equal_maxima():
    def linen_max_pool(x):
        return nn.max_pool(x, (2, 2), (2, 2))

    (x,) = draw_arrays((2, 7, 8, 3))
    np.testing.assert_array_equal(layers.max_pool(x), linen_max_pool(x))
    actual, expected = (
        jax.grad(lambda x, pool=pool: jnp.sum(pool(x) ** 2))(x)
        for pool in (layers.max_pool, linen_max_pool)
    )
    np.testing.assert_allclose(actual, expected)
    np.testing.assert_array_equal(
        jax.grad(lambda x: jnp.sum(layers.max_pool(x)))(jnp.ones((1, 2, 2, 1))),
        np.full((1, 2, 2, 1), 0.25),
    )


@pytest.mark.parametrize("fan_in", [1, 25, 1024])
def test_uniform_fan_in_is_uniform_within_its_bounds(fan_in):
    values = np.asarray(layers.uniform_fan_in(fan_in)(jax.random.key(0), (20_000,)))
    values = values * math.sqrt(fan_in)
    assert -1 <= values.min() < -0.999
    assert 0.999 < values.max() <= 1
    np.testing.assert_allclose(np.sort(values)[::2000], np.linspace(-1, 1, 11)[:-1], atol=0.03)


class NormalizedKernel(nn.Module):
    """One layer with spectral_norm; returns its normalized kernel as a matrix."""

    shape: tuple[int, ...]

    def unit_inputs(self):
        *window, inputs, _ = self.shape
        return jnp.eye(math.prod(window) * inputs).reshape(-1, *window, inputs)

    @nn.compact
    def __call__(self, *, train):
        options = {"use_bias": False, "apply": partial(layers.spectral_norm, train=train)}
        if len(self.shape) == 2:
            return layers.dense(self.unit_inputs(), self.shape[-1], **options)
        y = layers.conv(self.unit_inputs(), self.shape[-1], self.shape[:2], **options)
        return y.reshape(-1, self.shape[-1])


def run_power_iteration(kernel, steps):
    """The normalized kernel, the estimated singular value and its vector `u` after each step."""
    layer = NormalizedKernel(kernel.shape)
    variables = layer.init(jax.random.key(0), train=True)
    params = jax.tree.map(lambda _: jnp.float32(kernel), variables["params"])

    def step(state, _):
        y, state = layer.apply({"params": params, **state}, train=True, mutable=["batch_stats"])
        ((_, stats),) = state["batch_stats"].items()
        return state, (y, *(stats[name] for name in sorted(stats)))

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
def test_spectral_norm_divides_by_the_largest_singular_value(kernel, largest):
    matrix = kernel.reshape(-1, kernel.shape[-1])
    normalized, sigma, _ = (x[-1] for x in run_power_iteration(kernel, 60))
    np.testing.assert_allclose(sigma, largest or np.linalg.norm(matrix, 2), rtol=1e-5)
    np.testing.assert_allclose(np.linalg.norm(normalized, 2), 1, rtol=1e-5)
    np.testing.assert_allclose(normalized * sigma, matrix, rtol=1e-5, atol=1e-5)


def test_spectral_norm_error_shrinks_by_the_squared_ratio_of_singular_values():
    _, _, u = run_power_iteration(SKEW, 5)
    along, across = (np.linalg.svd(SKEW)[2] @ u[:, 0].T)[:2]
    np.testing.assert_allclose((across / along)[1:] / (across / along)[:-1], 5 / 45, rtol=1e-3)


def test_spectral_norm_of_a_zero_kernel_has_finite_gradients():
    layer = NormalizedKernel((3, 2))
    variables = jax.tree.map(jnp.zeros_like, layer.init(jax.random.key(0), train=True))
    for train in (True, False):
        grad_fn = jax.jit(
            jax.grad(lambda v, t=train: layer.apply(v, train=t, mutable=["batch_stats"])[0].sum())
        )
        assert all(np.all(np.isfinite(x)) for x in jax.tree.leaves(grad_fn(variables)))


class Discriminator(nn.Module):
    normalized: bool = True

    @nn.compact
    def __call__(self, x, *, train):
        apply = {"apply": partial(layers.spectral_norm, train=train)} if self.normalized else {}
        x = jnp.tanh(layers.conv(x, 2, (2, 2), strides=2, **apply))
        return layers.dense(x.reshape(len(x), -1), 1, **apply).squeeze(-1)


def test_spectral_norm_in_a_gan():
    real, plain = real_batch(), Discriminator(normalized=False)
    gan = small_gan(discriminator=Discriminator(), penalty=penalties.gradient_penalty())
    state = gan.init(jax.random.key(0), real)
    shapes = jax.eval_shape(
        partial(plain.init, train=True), jax.random.key(0), jnp.zeros((1, *SHAPE))
    )
    assert jax.tree.map(jnp.shape, state.d.params) == jax.tree.map(jnp.shape, shapes["params"])

    updated, metrics = gan.d_step(state, real, jax.random.key(1))
    assert metrics["finite"]
    assert metrics["penalty"] > 0

    @partial(jax.jit, static_argnames="train")
    def next_model_state(variables, train):
        return Discriminator().apply(variables, real, train=train, mutable=["batch_stats"])[1]

    # The real and the fake batch make one step of power iteration each. The penalty makes none,
    # because it evaluates the discriminator with train=False.
    once = next_model_state(state.d.variables, True)
    twice = next_model_state(state.d.variables | once, True)
    jax.tree.map(partial(np.testing.assert_allclose, rtol=1e-5), twice, updated.d.model_state)
    before, after = (
        s.d.model_state["batch_stats"]["SpectralNorm_0"]["Conv_0/kernel/u"]
        for s in (state, updated)
    )
    assert np.abs(after - before).max() > 1e-4
    assert_same_bits(next_model_state(updated.d.variables, False), updated.d.model_state)
