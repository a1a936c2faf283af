"""Convolutions that are fast on CPUs, including inside loops.

XLA:CPU has fast implementations only for convolutions with the layouts `NHWC x HWIO -> NHWC`.
Automatic differentiation produces convolutions with other layouts. XLA rewrites those to the fast
layouts at the top level of a program but not in the body of a loop, where they run about 20 times
slower.

This module avoids the slow layouts on CPUs in three ways:

* A convolution without strides or dilation is a product of matrices, or a batch of products
  (`jaxgan.models.matmul_conv`). Matrix products are fast everywhere, and the derivatives of a
  matrix product are matrix products.
* A convolution with strides, or with a dilated input (a transposed convolution), becomes one with
  stride 1 by polyphase decomposition (`jaxgan.models.polyphase`), if there are enough channels and
  the stride divides the size of the kernel.
* Others have a custom gradient (`jaxgan.models.strided_conv`).

On other platforms the convolutions and the kernel gradients are those of `lax`.
"""

import math
from functools import partial

from jax import lax

from jaxgan.models.matmul_conv import MIN_CHANNELS, conv_by_products
from jaxgan.models.polyphase import strided_conv_by_phases, transposed_conv_by_phases
from jaxgan.models.spatial import check_kernel_fits
from jaxgan.models.strided_conv import conv_by_lax, conv_with_fast_gradients, dilated_size
from jaxgan.models.toom_cook import MAX_SIZE


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
    """Fast version of `lax.conv_general_dilated` for `nn.Conv(conv_general_dilated_cls=…)`.

    Takes the arguments that `nn.Conv` passes, with `lhs` `[B, H, W, C]` and `rhs` `[kh, kw, C, F]`
    in the layouts `NHWC` and `HWIO`. Forwards to `lax.conv_general_dilated` what has no fast form:
    inputs of rank other than 4, feature groups, an explicit precision, dilated kernels, and dilated
    inputs combined with strides or with a named padding such as "SAME".

    Returns:
      `[B, H', W', F]`.

    Raises:
      ShapeError: If the kernel is larger than the dilated and padded input, unless the convolution
        is forwarded.
    """
    strides, dilation = tuple(window_strides), tuple(lhs_dilation or (1, 1))
    has_fast_form = (
        lhs.ndim == 4
        and feature_group_count == 1
        and precision is None
        and set(rhs_dilation or (1,)) == {1}
        and (max(dilation) == 1 or (max(strides) == 1 and not isinstance(padding, str)))
    )
    if not has_fast_form:
        return lax.conv_general_dilated(
            lhs,
            rhs,
            strides,
            padding,
            lhs_dilation=lhs_dilation,
            rhs_dilation=rhs_dilation,
            dimension_numbers=dimension_numbers,
            feature_group_count=feature_group_count,
            precision=precision,
        )
    if isinstance(padding, str):
        padding = lax.padtype_to_pads(lhs.shape[1:3], rhs.shape[:2], strides, padding)
    padding = tuple((low, high) for low, high in padding)
    if max(strides + dilation) > 1:
        return fast_conv(lhs, rhs, strides, padding, dilation)
    lax_conv = partial(conv_by_lax, strides=strides, padding=padding, lhs_dilation=dilation)
    cpu_conv = partial(conv_by_products, padding=padding)
    return lax.platform_dependent(lhs, rhs, cpu=cpu_conv, default=lax_conv)


def fast_conv(x, kernel, strides, padding, lhs_dilation):
    """Computes `lax.conv_general_dilated` with strides or a dilated input, fast on CPUs.

    Args:
      x: `[B, H, W, C]`.
      kernel: `[kh, kw, C, F]`.
      strides: `(sh, sw)`, strides of the window.
      padding: `((top, bottom), (left, right))`; negative values crop.
      lhs_dilation: `(dh, dw)`, dilation of `x`: `d - 1` zeros are inserted between neighboring rows
        or columns before the padding. Must be `(1, 1)` if a stride is above 1.

    Returns:
      `[B, H', W', F]`.

    Raises:
      ShapeError: If the kernel is larger than the dilated and padded input.
    """
    axes = zip(x.shape[1:3], lhs_dilation, padding, strict=True)
    check_kernel_fits(kernel.shape, [dilated_size(n, d) + sum(pads) for n, d, pads in axes])
    conv = partial(
        conv_with_fast_gradients, strides=strides, padding=padding, lhs_dilation=lhs_dilation
    )
    if not is_faster_by_phases(kernel, strides, lhs_dilation):
        return conv(x, kernel)
    if lhs_dilation == (1, 1):
        cpu_conv = partial(strided_conv_by_phases, strides=strides, padding=padding)
    else:
        cpu_conv = partial(transposed_conv_by_phases, lhs_dilation=lhs_dilation, padding=padding)
    return lax.platform_dependent(x, kernel, cpu=cpu_conv, default=conv)


def is_faster_by_phases(kernel, strides, lhs_dilation):
    """Returns whether `jaxgan.models.polyphase` is the fastest form on a CPU.

    There must be at least two cells of taps in a row, and none padded with zeros, which would be
    multiplied too. With few channels or with 16 bits, Toom-Cook's algorithm is not used; see
    `conv_by_products`.
    """
    (kh, kw, channels, features) = kernel.shape
    cell = strides if lhs_dilation == (1, 1) else lhs_dilation
    if lhs_dilation == (1, 1):
        channels *= math.prod(cell)
    else:
        features *= math.prod(cell)
    return (
        kh % cell[0] == kw % cell[1] == 0
        and 2 <= kw // cell[1] < MAX_SIZE
        and min(channels, features) >= MIN_CHANNELS
        and kernel.dtype.itemsize >= 4
    )
