"""Convolutions that stay fast on CPUs, inside loops too.

XLA:CPU has fast kernels for convolutions `NHWC x HWIO -> NHWC` only. Automatic differentiation writes gradients in
other layouts, which are rewritten at a program's top level but not in the body of a loop, where they run some twenty
times slower. Matrix products are fast everywhere, and their derivatives are matrix products. So on CPUs a convolution
without strides is one product with a banded matrix (`conv_by_products`); one with strides, or transposed, states its
gradients in fast forms (`fast_conv`): the input's as a convolution of the plain layout, and the kernel's as one product
for each tap of the kernel.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxgan.errors import ShapeError

LAYOUT = ("NHWC", "HWIO", "NHWC")


def fast_conv_general_dilated(
    lhs,
    rhs,
    window_strides,
    padding,
    lhs_dilation=None,
    rhs_dilation=None,
    dimension_numbers=None,
    feature_group_count=1,
    precision=None,
):
    """`lax.conv_general_dilated` as `nn.Conv` calls it; what has no fast form goes to lax."""
    strides, spread = tuple(window_strides), tuple(lhs_dilation or (1, 1))
    plain = (
        lhs.ndim == 4
        and feature_group_count == 1
        and precision is None
        and set(rhs_dilation or (1,)) == {1}
    )
    if not plain or (max(spread) > 1 and (max(strides) > 1 or isinstance(padding, str))):
        dilations = {
            "lhs_dilation": lhs_dilation,
            "rhs_dilation": rhs_dilation,
            "dimension_numbers": dimension_numbers,
        }
        options = {"feature_group_count": feature_group_count, "precision": precision}
        return lax.conv_general_dilated(lhs, rhs, strides, padding, **dilations, **options)
    if isinstance(padding, str):
        padding = lax.padtype_to_pads(lhs.shape[1:3], rhs.shape[:2], strides, padding)
    pads = tuple((low, high) for low, high in padding)
    if max(strides + spread) > 1:
        return fast_conv(lhs, rhs, strides, pads, spread)
    by_lax = partial(
        lax.conv_general_dilated, window_strides=strides, padding=pads, dimension_numbers=LAYOUT
    )
    return lax.platform_dependent(lhs, rhs, cpu=partial(conv_as_matmul, pads=pads), default=by_lax)


def conv_as_matmul(x, kernel, pads):
    """A convolution without strides, as one matrix product; so are its derivatives of any order.

    Every row of the output is cut into tiles. A tile of `t` pixels is a product of the `kh` rows of `t + kw - 1` pixels
    that it depends on with a matrix that repeats the kernel `t` times, each a pixel further. A larger tile copies the
    input less often, `kh (t + kw - 1) / t` times, and multiplies by more zeros.

    Args:
      x: `[B, H, W, C]`.
      kernel: `[kh, kw, C, F]`.
      pads: `((top, bottom), (left, right))`, rows and columns of zeros to add.

    Returns:
      `[B, H', W', F]`.
    """
    x, (kh, kw, _, features) = pad_spatial(x, pads), kernel.shape
    batch, rows, columns = len(x), x.shape[1] - kh + 1, x.shape[2] - kw + 1
    if rows < 1 or columns < 1:
        raise ShapeError(
            f"a kernel of {kh}x{kw} does not fit into images of {x.shape[1]}x{x.shape[2]}, padding included"
        )
    tile = max(t for t in range(1, max(kw, 2)) if columns % t == 0)
    reach = tile + kw - 1
    tiles = jnp.stack([x[:, :, i : i + reach] for i in range(0, columns, tile)], 2).reshape(
        *x.shape[:2], columns // tile, -1
    )
    patches = jnp.stack([tiles[:, i : i + rows] for i in range(kh)], 3)
    tap = np.arange(reach)[:, None] - np.arange(
        tile
    )  # of the kernel, by which a pixel of the reach enters one of the tile
    band = jax.nn.one_hot(tap, kw, dtype=kernel.dtype)
    matrix = jnp.einsum("utj,ijcf->iuctf", band, kernel)
    product = patches.reshape(batch * rows * (columns // tile), -1) @ matrix.reshape(
        -1, tile * features
    )
    return product.reshape(batch, rows, columns, features)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def fast_conv(x, kernel, strides, pads, spread):
    """`lax.conv_general_dilated` with gradients that stay fast.

    Args:
      x: `[B, H, W, C]`.
      kernel: `[kh, kw, C, F]`.
      strides: `(sh, sw)`, of the window.
      pads: `((top, bottom), (left, right))`; what is below 0 is cut off.
      spread: `(dh, dw)`, the steps by which rows and columns of `x` are spread out first (lax's lhs_dilation);
        `(1, 1)` unless the strides are.

    Returns:
      `[B, H', W', F]`.
    """
    return lax.conv_general_dilated(
        x, kernel, strides, pads, lhs_dilation=spread, dimension_numbers=LAYOUT
    )


def _forward(x, kernel, strides, pads, spread):
    # Through fast_conv again, so that second derivatives take the fast way too.
    return fast_conv(x, kernel, strides, pads, spread), (x, kernel)


def _backward(strides, pads, spread, saved, g):
    x, kernel = saved
    flipped = jnp.swapaxes(kernel[::-1, ::-1], 2, 3)
    sizes = zip(x.shape[1:3], g.shape[1:3], kernel.shape[:2], strides, pads, spread, strict=True)
    x_gradient = fast_conv(
        g, flipped, spread, tuple(transposed_pads(*axis) for axis in sizes), strides
    )
    form = {"shape": kernel.shape, "strides": strides, "pads": pads, "spread": spread}
    by_taps, by_lax = (
        partial(kernel_gradient_by_taps, **form),
        partial(kernel_gradient_by_lax, **form),
    )
    return x_gradient, lax.platform_dependent(x, g, cpu=by_taps, default=by_lax)


fast_conv.defvjp(_forward, _backward)


def transposed_pads(x_size, g_size, k, stride, pads, spread):
    """The padding with which convolving the output's gradient gives the input's, along one axis; can be below 0."""
    low = k - 1 - pads[0]
    return low, dilated_size(x_size, spread) + k - 1 - dilated_size(g_size, stride) - low


def dilated_size(size, step):
    """The length of an axis whose entries are spread out by `step`."""
    return (size - 1) * step + 1


def kernel_gradient_by_lax(x, g, shape, strides, pads, spread):
    """The kernel's gradient as XLA derives it: `[kh, kw, C, F]`."""

    def convolve(kernel):
        return lax.conv_general_dilated(
            x, kernel, strides, pads, lhs_dilation=spread, dimension_numbers=LAYOUT
        )

    return jax.linear_transpose(convolve, jax.ShapeDtypeStruct(shape, x.dtype))(g)[0]


def kernel_gradient_by_taps(x, g, shape, strides, pads, spread):
    """The kernel's gradient `[kh, kw, C, F]`, a product `[C, BHW] @ [BHW, F]` for each tap, of the pixels it joins."""
    taps = [(i, j) for i in range(shape[0]) for j in range(shape[1])]
    if spread == (1, 1):
        x = pad_spatial(x, pads)
        pairs = [(strided_slice(x, tap, g.shape, strides), g) for tap in taps]
    else:  # the gradient is cut into windows, because most of the spread-out input is zeros
        sizes = zip(x.shape[1:3], g.shape[1:3], shape[:2], pads, spread, strict=True)
        g = pad_spatial(
            g, [(k - 1 - low, dilated_size(n, d) + low - m) for n, m, k, (low, _), d in sizes]
        )
        pairs = [
            (x, strided_slice(g, (shape[0] - 1 - i, shape[1] - 1 - j), x.shape, spread))
            for i, j in taps
        ]
    over_pixels = (((0, 1, 2), (0, 1, 2)), ((), ()))
    return jnp.stack([lax.dot_general(*pair, over_pixels) for pair in pairs]).reshape(shape)


def pad_spatial(x, pads):
    """Adds rows and columns of zeros, or cuts off as many as a padding is below 0."""
    return lax.pad(
        x, x.dtype.type(0), ((0, 0, 0), *((low, high, 0) for low, high in pads), (0, 0, 0))
    )


def strided_slice(x, start, shape, steps):
    """`shape[1]` rows and `shape[2]` columns of `x`, beginning at `start`, by `steps`."""
    stops = [
        begin + dilated_size(size, step)
        for begin, size, step in zip(start, shape[1:3], steps, strict=True)
    ]
    return lax.slice(x, (0, *start, 0), (len(x), *stops, x.shape[3]), (1, *steps, 1))
