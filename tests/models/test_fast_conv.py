import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax

from jaxgan.errors import ShapeError
from jaxgan.models import fast_conv
from tests.helpers.networks import draw_arrays

WIDE = settings(max_examples=12, deadline=None, derandomize=True)


@st.composite
def arguments(draw):
    """Arguments of a convolution: (x, kernel, strides, pads, spread), of strides or spread, and of any padding."""
    size = st.integers(1, 3)
    kernel = (draw(st.integers(1, 4)), draw(st.integers(1, 4)), draw(size), draw(size))
    strides, spread = draw(
        st.sampled_from([((1, 1), (1, 1)), ((2, 3), (1, 1)), ((1, 1), (2, 3)), ((1, 1), (2, 2))])
    )
    pads = tuple((draw(st.integers(0, k + 1)), draw(st.integers(0, k + 1))) for k in kernel[:2])
    height, width = (draw(st.integers(k, k + 5)) for k in kernel[:2])
    x, kernel = draw_arrays((2, height, width, kernel[2]), kernel)
    return x, kernel, strides, pads, spread


def plain(x, kernel, strides, pads, spread):
    return lax.conv_general_dilated(
        x, kernel, strides, pads, spread, dimension_numbers=fast_conv.LAYOUT
    )


@WIDE
@given(arguments())
def test_fast_conv_and_its_gradients_are_those_of_lax(case):
    x, kernel, *form = case

    @jax.jit
    def both(x, kernel, g):
        pulls = [
            jax.vjp(lambda x, k, f=f: f(x, k, *form), x, kernel)
            for f in (fast_conv.fast_conv, plain)
        ]
        return [(y, *pull(g)) for y, pull in pulls]

    (g,) = draw_arrays(plain(*case).shape)
    ours, theirs = both(x, kernel, g)
    for a, b in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4)


@settings(WIDE, max_examples=6)
@given(arguments())
def test_second_derivatives_and_vmap_are_those_of_lax(case):
    x, kernel, *form = case

    def penalty(kernel, x, f):
        return jnp.sum(jax.grad(lambda x: jnp.sum(jnp.sin(f(x, kernel, *form))))(x) ** 2)

    @jax.jit
    def both(kernels, x):
        return [
            jax.vmap(jax.grad(penalty), (0, None, None))(kernels, x, f)
            for f in (fast_conv.fast_conv, plain)
        ]

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
    ours = nn.Conv(
        4, (3, 2), **options, conv_general_dilated_cls=lambda: fast_conv.fast_conv_general_dilated
    )
    theirs = nn.Conv(4, (3, 2), **options)
    variables = theirs.init(jax.random.key(0), x)
    gradients = [
        jax.grad(lambda v, m=m: jnp.sum(m.apply(v, x) ** 2))(variables) for m in (ours, theirs)
    ]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4), *gradients)


@settings(WIDE, max_examples=6)
@given(
    st.integers(1, 4), st.integers(1, 5), st.integers(1, 3), st.integers(0, 6), st.integers(0, 2)
)
def test_conv_by_products_is_that_of_lax_whatever_the_tiles(kh, kw, channels, extra, low):
    x, kernel = draw_arrays((2, kh + 1, kw + extra, channels), (kh, kw, channels, 2))
    pads = ((low, 1), (0, low))

    def both(x, kernel):
        theirs = plain(x, kernel, (1, 1), pads, (1, 1))
        return fast_conv.conv_as_matmul(x, kernel, pads), theirs

    np.testing.assert_allclose(*jax.jit(both)(x, kernel), rtol=1e-4, atol=1e-4)
    slopes = [
        jax.jit(jax.grad(lambda a, i=i: jnp.sum(jnp.sin(both(*a)[i]))))((x, kernel))
        for i in range(2)
    ]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3), *slopes)


def test_conv_by_products_refuses_images_smaller_than_the_kernel():
    x, kernel = draw_arrays((1, 3, 4, 2), (5, 4, 2, 1))
    with pytest.raises(ShapeError, match="a kernel of 5x4 does not fit into images of 4x4"):
        fast_conv.conv_as_matmul(x, kernel, ((1, 0), (0, 0)))


def test_on_other_platforms_the_kernels_gradient_is_left_to_xla():
    x, kernel = draw_arrays((2, 6, 6, 2), (3, 3, 2, 4))
    form = {"strides": (1, 1), "pads": ((1, 1), (0, 2)), "spread": (1, 1)}
    (g,) = draw_arrays(plain(x, kernel, *form.values()).shape)
    form["shape"] = kernel.shape
    np.testing.assert_allclose(
        fast_conv.kernel_gradient_by_lax(x, g, **form),
        fast_conv.kernel_gradient_by_taps(x, g, **form),
        rtol=1e-4,
        atol=1e-5,
    )
    step = jax.jit(
        jax.grad(
            lambda k: jnp.sum(fast_conv.fast_conv(x, k, (1, 1), ((0, 0), (0, 0)), (1, 1)) ** 2)
        )
    )
    lowered = {
        p: str(step.trace(kernel).lower(lowering_platforms=(p,)).as_text()) for p in ("cpu", "tpu")
    }
    assert lowered["cpu"].count("stablehlo.dot_general") == 9
    assert lowered["tpu"].count("stablehlo.dot_general") == 0


def test_a_convolution_without_strides_is_products_on_cpus_and_xlas_elsewhere():
    x, kernel = draw_arrays((2, 6, 6, 2), (3, 3, 2, 4))

    @jax.jit
    def slope(kernel):
        return jax.grad(
            lambda k: jnp.sum(fast_conv.fast_conv_general_dilated(x, k, (1, 1), "SAME") ** 2)
        )(kernel)

    lowered = {
        p: slope.trace(kernel).lower(lowering_platforms=(p,)).as_text() for p in ("cpu", "tpu")
    }
    counts = {
        p: [text.count(f"stablehlo.{op}") for op in ("convolution", "dot_general")]
        for p, text in lowered.items()
    }
    assert counts["cpu"][0] == 0 < counts["cpu"][1]
    assert counts["tpu"] == [2, 0]
