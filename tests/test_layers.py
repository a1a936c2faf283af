import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax
from toys import SHAPE, assert_same_bits, real_batch, small_gan

from jaxgan import layers, penalties
from jaxgan.errors import ShapeError

WIDE = settings(max_examples=12, deadline=None, derandomize=True)


def draw_arrays(*shapes):
    rng = np.random.default_rng(0)
    return [jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in shapes]


@st.composite
def convolutions(draw):
    """Arguments of a convolution: (x, kernel, strides, pads, spread), of strides or spread, and of any padding."""
    size = st.integers(1, 3)
    kernel = (draw(st.integers(1, 4)), draw(st.integers(1, 4)), draw(size), draw(size))
    strides, spread = draw(st.sampled_from([((1, 1), (1, 1)), ((2, 3), (1, 1)), ((1, 1), (2, 3)), ((1, 1), (2, 2))]))
    pads = tuple((draw(st.integers(0, k + 1)), draw(st.integers(0, k + 1))) for k in kernel[:2])
    height, width = (draw(st.integers(k, k + 5)) for k in kernel[:2])
    x, kernel = draw_arrays((2, height, width, kernel[2]), kernel)
    return x, kernel, strides, pads, spread


def plain(x, kernel, strides, pads, spread):
    return lax.conv_general_dilated(x, kernel, strides, pads, spread, dimension_numbers=layers.LAYOUT)


@WIDE
@given(convolutions())
def test_fast_conv_and_its_gradients_are_those_of_lax(arguments):
    x, kernel, *form = arguments

    @jax.jit
    def both(x, kernel, g):
        pulls = [jax.vjp(lambda x, k, f=f: f(x, k, *form), x, kernel) for f in (layers.fast_conv, plain)]
        return [(y, *pull(g)) for y, pull in pulls]

    (g,) = draw_arrays(plain(*arguments).shape)
    ours, theirs = both(x, kernel, g)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


@settings(WIDE, max_examples=6)
@given(convolutions())
def test_second_derivatives_and_vmap_are_those_of_lax(arguments):
    x, kernel, *form = arguments

    def penalty(kernel, x, f):
        return jnp.sum(jax.grad(lambda x: jnp.sum(jnp.sin(f(x, kernel, *form))))(x) ** 2)

    @jax.jit
    def both(kernels, x):
        return [jax.vmap(jax.grad(penalty), (0, None, None))(kernels, x, f) for f in (layers.fast_conv, plain)]

    ours, theirs = both(jnp.stack([kernel, -2 * kernel]), x)
    np.testing.assert_allclose(ours, theirs, rtol=2e-3, atol=2e-3 * float(jnp.abs(theirs).max()))


@pytest.mark.parametrize(
    "options",
    [
        {"strides": 2, "padding": "SAME"},
        {"padding": "CIRCULAR"},
        {"kernel_dilation": 2},
        {"feature_group_count": 2},
        {"input_dilation": 2, "strides": 2, "padding": 1},
        {"input_dilation": 2, "padding": ((1, 2), (0, 1))},
        {"precision": lax.Precision.HIGHEST},
    ],
    ids=str,
)
def test_conv_takes_every_option_of_linen(options):
    (x,) = draw_arrays((2, 7, 8, 2))
    ours = nn.Conv(4, (3, 2), **options, conv_general_dilated_cls=lambda: layers.fast_conv_general_dilated)
    theirs = nn.Conv(4, (3, 2), **options)
    variables = theirs.init(jax.random.key(0), x)
    gradients = [jax.grad(lambda v, m=m: jnp.sum(m.apply(v, x) ** 2))(variables) for m in (ours, theirs)]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), *gradients)


@pytest.mark.parametrize(
    ("kernel", "strides"), [((4, 4), (2, 2)), ((5, 4), (2, 1)), ((3, 3), (3, 3)), ((2, 5), (1, 2))]
)
def test_conv_transpose_is_linens(kernel, strides):
    (x,) = draw_arrays((2, 5, 4, 3))
    ours, theirs = layers.ConvTranspose(6, kernel, strides), nn.ConvTranspose(6, kernel, strides)
    variables = theirs.init(jax.random.key(0), x)
    assert jax.tree.map(jnp.shape, variables) == jax.tree.map(jnp.shape, ours.init(jax.random.key(0), x))
    np.testing.assert_allclose(ours.apply(variables, x), theirs.apply(variables, x), rtol=1e-5, atol=1e-5)


@settings(WIDE, max_examples=6)
@given(st.integers(1, 4), st.integers(1, 5), st.integers(1, 3), st.integers(0, 6), st.integers(0, 2))
def test_conv_by_products_is_that_of_lax_whatever_the_tiles(kh, kw, channels, extra, low):
    x, kernel = draw_arrays((2, kh + 1, kw + extra, channels), (kh, kw, channels, 2))
    pads = ((low, 1), (0, low))

    def both(x, kernel):
        theirs = plain(x, kernel, (1, 1), pads, (1, 1))
        return layers.conv_by_products(x, kernel, pads), theirs

    np.testing.assert_allclose(*jax.jit(both)(x, kernel), rtol=1e-4, atol=1e-4)
    slopes = [jax.jit(jax.grad(lambda a, i=i: jnp.sum(jnp.sin(both(*a)[i]))))((x, kernel)) for i in range(2)]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3), *slopes)


def test_conv_by_products_refuses_images_smaller_than_the_kernel():
    x, kernel = draw_arrays((1, 3, 4, 2), (5, 4, 2, 1))
    with pytest.raises(ShapeError, match="a kernel of 5x4 does not fit into images of 4x4"):
        layers.conv_by_products(x, kernel, ((1, 0), (0, 0)))


def test_on_other_platforms_the_kernels_gradient_is_left_to_xla():
    x, kernel = draw_arrays((2, 6, 6, 2), (3, 3, 2, 4))
    form = {"strides": (1, 1), "pads": ((1, 1), (0, 2)), "spread": (1, 1)}
    (g,) = draw_arrays(plain(x, kernel, *form.values()).shape)
    form["shape"] = kernel.shape
    np.testing.assert_allclose(
        layers.kernel_gradient_by_lax(x, g, **form), layers.kernel_gradient_by_taps(x, g, **form), rtol=1e-4, atol=1e-5
    )
    step = jax.jit(jax.grad(lambda k: jnp.sum(layers.fast_conv(x, k, (1, 1), ((0, 0), (0, 0)), (1, 1)) ** 2)))
    lowered = {p: str(step.trace(kernel).lower(lowering_platforms=(p,)).as_text()) for p in ("cpu", "tpu")}
    assert lowered["cpu"].count("stablehlo.dot_general") == 9
    assert lowered["tpu"].count("stablehlo.dot_general") == 0


def test_a_convolution_without_strides_is_products_on_cpus_and_xlas_elsewhere():
    x, kernel = draw_arrays((2, 6, 6, 2), (3, 3, 2, 4))

    @jax.jit
    def slope(kernel):
        return jax.grad(lambda k: jnp.sum(layers.fast_conv_general_dilated(x, k, (1, 1), "SAME") ** 2))(kernel)

    lowered = {p: slope.trace(kernel).lower(lowering_platforms=(p,)).as_text() for p in ("cpu", "tpu")}
    counts = {
        p: [text.count(f"stablehlo.{op}") for op in ("convolution", "dot_general")] for p, text in lowered.items()
    }
    assert counts["cpu"][0] == 0 < counts["cpu"][1]
    assert counts["tpu"] == [2, 0]


def test_max_pool_is_linens_and_shares_gradients_of_equals():
    (x,) = draw_arrays((2, 7, 8, 3))
    np.testing.assert_array_equal(layers.max_pool(x), nn.max_pool(x, (2, 2), (2, 2)))
    ours, theirs = (
        jax.grad(lambda x, f=f: jnp.sum(f(x) ** 2))(x)
        for f in (layers.max_pool, lambda x: nn.max_pool(x, (2, 2), (2, 2)))
    )
    np.testing.assert_allclose(ours, theirs)
    np.testing.assert_array_equal(
        jax.grad(lambda x: jnp.sum(layers.max_pool(x)))(jnp.ones((1, 2, 2, 1))), np.full((1, 2, 2, 1), 0.25)
    )


@pytest.mark.parametrize("fan_in", [1, 25, 1024])
def test_uniform_fan_in_fills_its_interval_evenly(fan_in):
    values = np.asarray(layers.uniform_fan_in(fan_in)(jax.random.key(0), (20_000,))) * math.sqrt(fan_in)
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
        slopes = jax.jit(jax.grad(lambda v, t=train: layer.apply(v, train=t, mutable=["batch_stats"])[0].sum()))
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
    gan = small_gan(discriminator=Discriminator(), penalty=penalties.gradient())
    state = gan.init(jax.random.key(0), real)
    shapes = jax.eval_shape(partial(plain.init, train=True), jax.random.key(0), jnp.zeros((1, *SHAPE)))
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
    (before, after) = (s.d.model_state["batch_stats"]["SpectralNorm_0"]["Conv_0/kernel/u"] for s in (state, moved))
    assert np.abs(after - before).max() > 1e-4
    assert_same_bits(look(moved.d.variables, False), moved.d.model_state)
