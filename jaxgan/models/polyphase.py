"""Strided and transposed convolutions as convolutions with stride 1, by polyphase decomposition.

A convolution with stride s along one axis, with r s taps,

    y[o] = Σ_i k[i] x[s o + i],

visits the pixels of x in cells of s neighbors. With i = s e + p, and the cell X[q] = (x[s q], …,
x[s q + s - 1]) as the channels of one pixel, it is a convolution with stride 1 and r taps:

    y[o] = Σ_e Σ_p K[e, p] X[o + e, p],   K[e, p] = k[s e + p].

A transposed convolution by the factor s is the same in reverse: s neighboring outputs depend on the
same r pixels of x, so it is a convolution with stride 1 whose output channels are the pixels of a
cell. In two dimensions, cells have s x s pixels.

If s divides the size of the kernel, the number of multiplications stays nearly the same, and
Toom-Cook's algorithm (`jaxgan.models.toom_cook`), which is for stride 1, then lowers it.

References:
  Bellanger et al. 1976 (polyphase filters); Shi et al. 2016 (sub-pixel convolution).
"""

import jax.numpy as jnp

from jaxgan.models.spatial import depth_to_space, pad_spatial, space_to_depth
from jaxgan.models.toom_cook import best_tile_width, conv_by_toom_cook


def strided_conv_by_phases(x, kernel, strides, padding):
    """Computes a convolution with strides.

    Derivatives of any order are built from the same operations, so they are as fast.

    Args:
      x: `[B, H, W, C]`.
      kernel: `[kh, kw, C, F]`.
      strides: `(sh, sw)`.
      padding: `((top, bottom), (left, right))`; negative values crop.

    Returns:
      `[B, H', W', F]`.
    """
    taps, pads = count_cells(kernel.shape, strides), []
    axes = zip(x.shape[1:3], kernel.shape[:2], strides, padding, taps, strict=True)
    for n, k, s, (low, high), r in axes:
        outputs = (n + low + high - k) // s + 1
        pads.append((low, (outputs + r - 1) * s - n - low))
    # [rh, sh, rw, sw, C, F] -> [rh, rw, sh * sw * C, F]
    kernel = split_taps(kernel, strides).transpose(0, 2, 1, 3, 4, 5)
    kernel = kernel.reshape(*taps, -1, kernel.shape[-1])
    return conv_by_best_tiles(space_to_depth(pad_spatial(x, pads), strides), kernel)


def transposed_conv_by_phases(x, kernel, lhs_dilation, padding):
    """Computes a convolution of a dilated input, which is a transposed convolution.

    Args:
      x: `[B, H, W, C]`.
      kernel: `[kh, kw, C, F]`.
      lhs_dilation: `(dh, dw)`, dilation of `x`: `d - 1` zeros are inserted between neighboring rows
        or columns before the padding.
      padding: `((top, bottom), (left, right))`; negative values crop.

    Returns:
      `[B, H', W', F]`.
    """
    taps, pads, crops = count_cells(kernel.shape, lhs_dilation), [], []
    axes = zip(x.shape[1:3], kernel.shape[:2], lhs_dilation, padding, taps, strict=True)
    for n, k, d, (low, high), r in axes:
        # Output o multiplies x[m] by tap i = d m + low - o. With o = d q + a - first, where `first`
        # makes low + first + 1 a multiple of d, and e = m - q + c, this is i = d e + (d - 1 - a):
        # the d outputs of cell q depend on the r pixels from x[q - c] on.
        outputs = (n - 1) * d + 1 + low + high - k + 1
        first = -(low + 1) % d
        c = (low + first + 1) // d - 1
        num_cells = -(-(first + outputs) // d)
        pads.append((c, num_cells + r - 1 - n - c))
        crops.append((-first, first + outputs - num_cells * d))
    # [rh, dh, rw, dw, C, F] -> [rh, rw, C, dh * dw * F]
    kernel = split_taps(kernel, lhs_dilation)[:, ::-1, :, ::-1].transpose(0, 2, 4, 1, 3, 5)
    y = conv_by_best_tiles(pad_spatial(x, pads), kernel.reshape(*taps, x.shape[-1], -1))
    return pad_spatial(depth_to_space(y, lhs_dilation), crops)


def conv_by_best_tiles(x, kernel):
    """Calls `conv_by_toom_cook` with the best tile width; 1, a direct product, if none is above."""
    kw = kernel.shape[1]
    return conv_by_toom_cook(x, kernel, best_tile_width(x.shape[2] - kw + 1, kw) or 1)


def count_cells(kernel_shape, cell):
    """Returns `(rh, rw)`, the number of cells that the kernel covers along each axis."""
    return tuple(-(-k // s) for k, s in zip(kernel_shape[:2], cell, strict=True))


def split_taps(kernel, cell):
    """Pads `kernel` with zeros to whole cells; returns `[rh, sh, rw, sw, C, F]`."""
    (rh, rw), (sh, sw) = count_cells(kernel.shape, cell), cell
    kh, kw, channels, features = kernel.shape
    kernel = jnp.pad(kernel, ((0, rh * sh - kh), (0, rw * sw - kw), (0, 0), (0, 0)))
    return kernel.reshape(rh, sh, rw, sw, channels, features)
