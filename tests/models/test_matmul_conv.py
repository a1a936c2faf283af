import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from jax import lax

from jaxgan.errors import ShapeError
from jaxgan.models import matmul_conv, strided_conv
from tests.helpers.networks import draw_arrays


@settings(max_examples=6, deadline=None, derandomize=True)
@given(
    st.integers(1, 4), st.integers(1, 5), st.integers(1, 3), st.integers(0, 6), st.integers(0, 2)
)
def test_conv_as_matmul_equals_lax_for_all_tile_widths(kh, kw, channels, extra, low):
    x, kernel = draw_arrays((2, kh + 1, kw + extra, channels), (kh, kw, channels, 2))
    padding = ((low, 1), (0, low))

    def both(x, kernel):
        expected = lax.conv_general_dilated(
            x, kernel, (1, 1), padding, dimension_numbers=strided_conv.LAYOUT
        )
        return matmul_conv.conv_as_matmul(matmul_conv.pad_spatial(x, padding), kernel), expected

    np.testing.assert_allclose(*jax.jit(both)(x, kernel), rtol=1e-4, atol=1e-4)
    grads = [
        jax.jit(jax.grad(lambda a, i=i: jnp.sum(jnp.sin(both(*a)[i]))))((x, kernel))
        for i in range(2)
    ]
    jax.tree.map(lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-3), *grads)


def test_conv_by_products_rejects_inputs_smaller_than_the_kernel():
    x, kernel = draw_arrays((1, 3, 4, 2), (5, 4, 2, 1))
    with pytest.raises(ShapeError, match="the kernel is 5x4, expected at most 4x4, the size of"):
        matmul_conv.conv_by_products(x, kernel, ((1, 0), (0, 0)))


@pytest.mark.parametrize(
    ("columns", "kw", "tile_width"),
    [
        (8, 5, 4),  # 2 tiles of 8 multiplications, 64 with a banded matrix
        (12, 3, 6),  # 2 tiles of 8; 3 tiles of 6 are 18
        (11, 3, 6),  # 2 tiles of 8, with one pixel beyond the row
        (7, 3, 0),  # 12 multiplications instead of 21 are too little gain
        (14, 2, 0),
        (9, 1, 0),
        (20, 11, 0),  # kernels wider than 7 have no tiles of two pixels
    ],
)
def test_toom_cook_tile_width_needs_the_fewest_multiplications(columns, kw, tile_width):
    assert matmul_conv.toom_cook_tile_width(columns, kw) == tile_width


@pytest.mark.parametrize(("dtype", "batched"), [("float32", True), ("bfloat16", False)])
def test_conv_by_products_uses_toom_cook_for_many_channels(dtype, batched):
    """16 bits are too few for Toom-Cook's transforms."""
    x, kernel = (jnp.asarray(a, dtype) for a in draw_arrays((1, 6, 10, 16), (3, 3, 16, 16)))
    for channels, expected in [(16, batched), (15, False)]:
        arguments = x[..., :channels], kernel[:, :, :channels]
        text = str(
            jax.make_jaxpr(lambda *a: matmul_conv.conv_by_products(*a, ((0, 0), (0, 0))))(
                *arguments
            )
        )
        assert text.count("dot_general") == 2  # one builds the matrix, one is the product
        # Only Toom-Cook's algorithm has a product with a batch dimension.
        assert ("(([2], [1]), ([0], [0]))" in text) == expected
