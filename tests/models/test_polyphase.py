from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxgan.models import fast_conv, polyphase, spatial, strided_conv
from tests.helpers.networks import draw_arrays

SETTINGS = settings(max_examples=10, deadline=None, derandomize=True)


@st.composite
def conv_arguments(draw):
    """Arguments `(x, kernel, cell, padding)` of both functions; x is larger than the kernel."""
    kernel_size = draw(st.tuples(st.integers(1, 5), st.integers(1, 5)))
    cell = draw(st.tuples(st.integers(1, 3), st.integers(1, 3)))
    # Negative padding crops; at least one row of outputs remains.
    padding = tuple((draw(st.integers(-1, k)), draw(st.integers(-1, k))) for k in kernel_size)
    height, width = (k + 2 + draw(st.integers(0, 4)) for k in kernel_size)
    x, kernel = draw_arrays((2, height, width, 2), (*kernel_size, 2, 3))
    return x, kernel, cell, padding


@partial(jax.jit, static_argnums=(2, 3))
def convs(x, kernel, cell, padding):
    """Both convolutions by phases, and by `lax`."""
    by_phases = (
        polyphase.strided_conv_by_phases(x, kernel, cell, padding),
        polyphase.transposed_conv_by_phases(x, kernel, cell, padding),
    )
    by_lax = (
        strided_conv.conv_by_lax(x, kernel, cell, padding, (1, 1)),
        strided_conv.conv_by_lax(x, kernel, (1, 1), padding, cell),
    )
    return by_phases, by_lax


@SETTINGS
@given(conv_arguments())
def test_convs_by_phases_equal_lax(arguments):
    for actual, expected in zip(*convs(*arguments), strict=True):
        np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-5 * np.abs(expected).max())


def test_convs_by_phases_are_exact_to_rounding_in_float64():
    with jax.enable_x64():
        x, kernel = (jnp.asarray(a, jnp.float64) for a in draw_arrays((2, 9, 14, 3), (4, 4, 3, 4)))
        for actual, expected in zip(*convs(x, kernel, (2, 2), ((1, 2), (2, 1))), strict=True):
            np.testing.assert_allclose(actual, expected, rtol=0, atol=1e-13)


@pytest.mark.parametrize(("strides", "dilation"), [((2, 2), (1, 1)), ((1, 1), (2, 2))])
def test_fast_conv_by_phases_derivatives_under_vmap_equal_lax(strides, dilation):
    """The first derivatives, and those of a gradient penalty, which are second derivatives."""
    x, kernel = draw_arrays((2, 4, 5, 16), (4, 4, 16, 16))
    kernel /= 16

    def energy(x, kernel, conv):
        return jnp.sum(jnp.sin(conv(x, kernel, strides, ((2, 2), (2, 2)), dilation)))

    def penalty(kernel, x, conv):
        return jnp.sum(jax.grad(energy)(x, kernel, conv) ** 2)

    def derivatives(kernel, conv):
        return jax.grad(energy, (0, 1))(x, kernel, conv), jax.grad(penalty)(kernel, x, conv)

    kernels = jnp.stack([kernel, -2 * kernel])
    actual, expected = (
        jax.jit(jax.vmap(lambda k, conv=conv: derivatives(k, conv)))(kernels)
        for conv in (fast_conv.fast_conv, strided_conv.conv_by_lax)
    )
    for a, b in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4 * float(jnp.abs(b).max()))


@pytest.mark.parametrize(
    ("kernel_shape", "dtype", "strides", "dilation", "expected"),
    [
        ((4, 4, 16, 16), "float32", (2, 2), (1, 1), True),
        ((4, 4, 4, 16), "float32", (2, 2), (1, 1), True),  # 16 channels per cell
        ((4, 4, 16, 4), "float32", (1, 1), (2, 2), True),
        ((4, 4, 3, 16), "float32", (2, 2), (1, 1), False),
        ((4, 4, 64, 1), "float32", (1, 1), (2, 2), False),
        ((5, 4, 16, 16), "float32", (2, 2), (1, 1), False),  # cells of zeros
        ((2, 2, 16, 16), "float32", (2, 2), (1, 1), False),  # one cell per window
        ((4, 4, 16, 16), "bfloat16", (2, 2), (1, 1), False),
    ],
)
def test_fast_conv_uses_phases_on_cpus(kernel_shape, dtype, strides, dilation, expected):
    x, kernel = (
        jnp.asarray(a, dtype) for a in draw_arrays((1, 6, 6, kernel_shape[2]), kernel_shape)
    )

    def conv(x, kernel):
        return fast_conv.fast_conv(x, kernel, strides, ((1, 1), (1, 1)), dilation)

    traced = jax.jit(conv).trace(x, kernel)
    cpu, tpu = (traced.lower(lowering_platforms=(p,)).as_text() for p in ("cpu", "tpu"))
    assert ("stablehlo.convolution" not in cpu) == expected
    assert "stablehlo.convolution" in tpu


def test_space_to_depth_and_depth_to_space():
    x = jnp.arange(2 * 4 * 6 * 3.0).reshape(2, 4, 6, 3)
    cells = spatial.space_to_depth(x, (2, 3))
    assert cells.shape == (2, 2, 2, 18)
    np.testing.assert_array_equal(cells[1, 1, 0], x[1, 2:4, :3].ravel())
    np.testing.assert_array_equal(spatial.depth_to_space(cells, (2, 3)), x)


def test_pad_spatial_pads_and_crops():
    x = jnp.ones((1, 2, 3, 1))
    np.testing.assert_array_equal(
        spatial.pad_spatial(x, ((1, 0), (0, -2)))[0, ..., 0], [[0], [1], [1]]
    )
