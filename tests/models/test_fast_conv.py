import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax

from jaxgan.errors import ShapeError
from jaxgan.models import fast_conv, strided_conv
from tests.helpers.networks import draw_arrays

SETTINGS = settings(max_examples=12, deadline=None, derandomize=True)


@st.composite
def conv_arguments(draw):
    """Arguments `(x, kernel, strides, padding, lhs_dilation)`, not both strided and dilated."""
    channels = st.integers(1, 3)
    shape = (draw(st.integers(1, 4)), draw(st.integers(1, 4)), draw(channels), draw(channels))
    strides, lhs_dilation = draw(
        st.sampled_from([((1, 1), (1, 1)), ((2, 3), (1, 1)), ((1, 1), (2, 3)), ((1, 1), (2, 2))])
    )
    padding = tuple((draw(st.integers(0, k + 1)), draw(st.integers(0, k + 1))) for k in shape[:2])
    # Inputs smaller than the kernel are included, if the padding makes up for it.
    height, width = (
        draw(st.integers(max(1, k - sum(pads)), k + 5))
        for k, pads in zip(shape[:2], padding, strict=True)
    )
    x, kernel = draw_arrays((2, height, width, shape[2]), shape)
    return x, kernel, strides, padding, lhs_dilation


def lax_conv(x, kernel, strides, padding, lhs_dilation):
    return lax.conv_general_dilated(
        x, kernel, strides, padding, lhs_dilation, dimension_numbers=strided_conv.LAYOUT
    )


def lower(function, *arguments):
    """The StableHLO text of a jitted function by platform."""
    traced = function.trace(*arguments)
    return {p: traced.lower(lowering_platforms=(p,)).as_text() for p in ("cpu", "tpu")}


@SETTINGS
@given(conv_arguments())
def test_fast_conv_and_its_gradients_equal_lax(arguments):
    x, kernel, *options = arguments

    @jax.jit
    def value_and_vjp(x, kernel, g):
        results = [
            jax.vjp(lambda x, k, conv=conv: conv(x, k, *options), x, kernel)
            for conv in (fast_conv.fast_conv, lax_conv)
        ]
        return [(y, *vjp_fn(g)) for y, vjp_fn in results]

    (g,) = draw_arrays(lax_conv(*arguments).shape)
    actual, expected = value_and_vjp(x, kernel, g)
    for a, b in zip(actual, expected, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


@pytest.mark.stress
@settings(SETTINGS, max_examples=6)
@given(conv_arguments())
def test_fast_conv_second_derivatives_under_vmap_equal_lax(arguments):
    x, kernel, *options = arguments

    def penalty(kernel, x, conv):
        return jnp.sum(jax.grad(lambda x: jnp.sum(jnp.sin(conv(x, kernel, *options))))(x) ** 2)

    @jax.jit
    def penalty_grads(kernels, x):
        return [
            jax.vmap(jax.grad(penalty), (0, None, None))(kernels, x, conv)
            for conv in (fast_conv.fast_conv, lax_conv)
        ]

    actual, expected = penalty_grads(jnp.stack([kernel, -2 * kernel]), x)
    atol = 2e-3 * float(jnp.abs(expected).max())
    np.testing.assert_allclose(actual, expected, rtol=2e-3, atol=atol)


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
def test_fast_conv_general_dilated_accepts_all_options_of_linen(options):
    (x,) = draw_arrays((2, 7, 8, 2))
    fast = nn.Conv(
        4, (3, 2), **options, conv_general_dilated_cls=lambda: fast_conv.fast_conv_general_dilated
    )
    linen = nn.Conv(4, (3, 2), **options)
    variables = linen.init(jax.random.key(0), x)
    grads = [jax.grad(lambda v, m=m: jnp.sum(m.apply(v, x) ** 2))(variables) for m in (fast, linen)]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), *grads)


def test_kernel_grad_by_taps_equals_kernel_grad_by_lax():
    x, kernel = draw_arrays((2, 6, 6, 2), (3, 3, 2, 4))
    options = {"strides": (1, 1), "padding": ((1, 1), (0, 2)), "lhs_dilation": (1, 1)}
    (g,) = draw_arrays(lax_conv(x, kernel, **options).shape)
    np.testing.assert_allclose(
        strided_conv.kernel_grad_by_lax(x, g, kernel.shape, **options),
        strided_conv.kernel_grad_by_taps(x, g, kernel.shape, **options),
        rtol=1e-4,
        atol=1e-5,
    )


@pytest.mark.parametrize(
    ("channels", "num_products"),
    [(strided_conv.MIN_TAP_CHANNELS, 9), (strided_conv.MIN_TAP_CHANNELS - 1, 1)],
)
def test_fast_conv_kernel_gradient_uses_products_only_on_cpus(channels, num_products):
    """One product per tap, or one for all taps if there are few channels."""
    x, kernel = draw_arrays((2, 6, 6, channels), (3, 3, channels, 4))

    def loss(kernel):
        return jnp.sum(fast_conv.fast_conv(x, kernel, (1, 1), ((0, 0), (0, 0)), (1, 1)) ** 2)

    lowered = lower(jax.jit(jax.grad(loss)), kernel)
    assert lowered["cpu"].count("stablehlo.dot_general") == num_products
    assert lowered["tpu"].count("stablehlo.dot_general") == 0


def test_fast_conv_of_inputs_smaller_than_the_kernel_uses_products_only_on_cpus():
    for size, strides, dilation in [(3, (2, 2), (1, 1)), (2, (1, 1), (2, 2)), (4, (2, 2), (1, 1))]:
        x, kernel = draw_arrays((2, size, 5, 2), (4, 4, 2, 3))
        conv = jax.jit(
            lambda x, k, s=strides, d=dilation: fast_conv.fast_conv(x, k, s, ((2, 2), (2, 2)), d)
        )
        counts = {
            p: text.count("stablehlo.convolution") for p, text in lower(conv, x, kernel).items()
        }
        assert counts == {"cpu": int(size >= 4), "tpu": 1}


def test_fast_conv_general_dilated_without_strides_uses_matmuls_only_on_cpus():
    x, kernel = draw_arrays((2, 6, 6, 2), (3, 3, 2, 4))

    def loss(kernel):
        return jnp.sum(fast_conv.fast_conv_general_dilated(x, kernel, (1, 1), "SAME") ** 2)

    counts = {
        platform: [text.count(f"stablehlo.{op}") for op in ("convolution", "dot_general")]
        for platform, text in lower(jax.jit(jax.grad(loss)), kernel).items()
    }
    assert counts["cpu"][0] == 0 < counts["cpu"][1]
    assert counts["tpu"] == [2, 0]


def test_fast_conv_general_dilated_accepts_other_ranks():
    x, kernel = draw_arrays((2, 7, 3), (3, 3, 4))
    layout = ("NWC", "WIO", "NWC")
    np.testing.assert_array_equal(
        fast_conv.fast_conv_general_dilated(x, kernel, (2,), "SAME", dimension_numbers=layout),
        lax.conv_general_dilated(x, kernel, (2,), "SAME", dimension_numbers=layout),
    )


@pytest.mark.parametrize(
    ("size", "strides", "dilation"),
    [(3, (1, 1), (1, 1)), (3, (2, 2), (1, 1)), (2, (1, 1), (2, 2))],
)
@pytest.mark.parametrize("channels", [2, 16])
def test_fast_conv_of_a_kernel_larger_than_the_padded_input_is_a_shape_error(
    size, strides, dilation, channels
):
    x, kernel = draw_arrays((1, 6, size, channels), (4, 4, channels, 16))
    message = "the kernel is 4x4, expected at most .*x3, the size of the padded input"
    with pytest.raises(ShapeError, match=message):
        fast_conv.fast_conv_general_dilated(
            x, kernel, strides, ((0, 0), (0, 0)), lhs_dilation=dilation
        )
