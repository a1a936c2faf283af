"""Convolutions that are fast on CPUs, including inside loops.

XLA:CPU has fast implementations only for convolutions with the layouts `NHWC x HWIO -> NHWC`.
Automatic differentiation produces convolutions with other layouts. XLA rewrites those to the fast
layouts at the top level of a program but not in the body of a loop, where they run about 20 times
slower.

This module avoids the slow layouts on CPUs in two ways:

* A convolution without strides or dilation is a product of matrices: one product with a banded
  matrix (`conv_as_matmul`), or, with many channels, a batch of smaller products if these need at
  most half of its multiplications (`jaxgan.models.toom_cook`). Matrix products are fast everywhere,
  and the derivatives of a matrix product are matrix products.
* A convolution with strides, or with a dilated input (a transposed convolution), has a custom
  gradient (`fast_conv`). The gradient of the input is a convolution with the fast layouts, and the
  gradient of the kernel is one matrix product per kernel tap, or a single one if there are few
  channels and no dilation. A tap is one spatial position `(i, j)` of the kernel. If the kernel is
  larger than the input, the convolution itself is a matrix product as well, since XLA has no fast
  implementation for this case.

On other platforms the convolutions and the kernel gradients are those of `lax`.
"""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jax import lax

from jaxgan.errors import ShapeError
from jaxgan.models.toom_cook import MAX_SIZE, conv_by_toom_cook

LAYOUT = ("NHWC", "HWIO", "NHWC")
# Measured on two cores with AVX-512: with fewer channels, or if more than this fraction of the
# multiplications remains, Toom-Cook's transforms take longer than what they save. With fewer
# channels, a matrix product per tap is slow, too (`kernel_grad_by_taps`).
MIN_CHANNELS = 16
MAX_COST_RATIO = 0.5


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
      ShapeError: If the convolution has neither strides nor dilation, and the kernel is larger than
        the padded input.
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
    lax_conv = partial(
        lax.conv_general_dilated, window_strides=strides, padding=padding, dimension_numbers=LAYOUT
    )
    cpu_conv = partial(conv_by_products, padding=padding)
    return lax.platform_dependent(lhs, rhs, cpu=cpu_conv, default=lax_conv)


def conv_by_products(x, kernel, padding):
    """Computes a convolution without strides or dilation as products of matrices.

    Args:
      x: `[B, H, W, C]`.
      kernel: `[kh, kw, C, F]`.
      padding: `((top, bottom), (left, right))`, numbers of rows and columns of zeros to add.

    Returns:
      `[B, H', W', F]`.

    Raises:
      ShapeError: If the kernel is larger than the padded input.
    """
    x, (kh, kw, channels, features) = pad_spatial(x, padding), kernel.shape
    if kh > x.shape[1] or kw > x.shape[2]:
        raise ShapeError(
            f"the kernel is {kh}x{kw}, expected at most {x.shape[1]}x{x.shape[2]}, the size of the "
            "padded input; use a smaller kernel or more padding"
        )
    tile_width = toom_cook_tile_width(x.shape[2] - kw + 1, kw)
    # With few channels the transforms cost more than they save. Their rounding errors are too large
    # for 16 bits.
    if tile_width and min(channels, features) >= MIN_CHANNELS and x.dtype.itemsize >= 4:
        return conv_by_toom_cook(x, kernel, tile_width)
    return conv_as_matmul(x, kernel)


def toom_cook_tile_width(columns, kw):
    """Returns the tile width of `conv_by_toom_cook` for a row of `columns` pixels, or 0.

    A tile of m pixels needs m + kw - 1 multiplications, even if it extends beyond the row. The
    width with the fewest multiplications is chosen; of several, the smallest, since the rounding
    error grows with the width. The banded matrix of `conv_as_matmul`, with its tiles of t pixels,
    needs t + kw - 1 multiplications per pixel. The result is 0 if Toom-Cook's algorithm needs more
    than `MAX_COST_RATIO` of these; the banded matrix is then faster.
    """
    costs = {m: -(-columns // m) * (m + kw - 1) for m in range(2, MAX_SIZE - kw + 2)}
    best = min(costs, key=lambda m: costs[m], default=0)
    banded_cost = columns * (matmul_tile_width(columns, kw) + kw - 1)
    return best if best and costs[best] <= MAX_COST_RATIO * banded_cost else 0


def matmul_tile_width(columns, kw):
    """Returns the tile width of `conv_as_matmul` for a row of `columns` pixels.

    Tiles of at most kw - 1 pixels keep the zeros below half of the matrix. The width divides the
    row, so that all tiles share one matrix.
    """
    return max(t for t in range(1, max(kw, 2)) if columns % t == 0)


def conv_as_matmul(x, kernel):
    """Computes a convolution without padding, strides or dilation as one matrix product.

    Each output row is divided into tiles of `t` pixels. A tile depends on a patch of the padded
    input, `kh` rows of `t + kw - 1` pixels. The tile is the flattened patch times a banded matrix,
    in which each row of the kernel occurs `t` times, each time shifted by one pixel. For example,
    with `kw` = 3 and `t` = 2, one kernel row `(a, b, c)` gives this block:

                       tile pixel 0   tile pixel 1
        patch pixel 0       a              0
        patch pixel 1       b              a
        patch pixel 2       c              b
        patch pixel 3       0              c

    The tile width is a compromise. The patches contain every input pixel `kh (t + kw - 1) / t`
    times, so wider tiles copy less. A fraction `(t - 1) / (t + kw - 1)` of the matrix is zero, so
    wider tiles multiply by more zeros.

    Derivatives of any order are again matrix products, and so are as fast.

    Args:
      x: `[B, H, W, C]`.
      kernel: `[kh, kw, C, F]`, not larger than the input.

    Returns:
      `[B, H', W', F]`.
    """
    kh, kw, _, features = kernel.shape
    batch, rows, columns = len(x), x.shape[1] - kh + 1, x.shape[2] - kw + 1
    tile_width = matmul_tile_width(columns, kw)
    num_tiles, patch_width = columns // tile_width, tile_width + kw - 1
    # [B, H, tiles, patch_width * C]: the pixels of each input row that a tile depends on.
    patch_rows = jnp.stack(
        [x[:, :, i : i + patch_width] for i in range(0, columns, tile_width)], 2
    ).reshape(*x.shape[:2], num_tiles, -1)
    # [B, H', tiles, kh, patch_width * C]: the same for the kh input rows of each output row.
    patches = jnp.stack([patch_rows[:, i : i + rows] for i in range(kh)], 3)
    # band[p, t, j] is 1 if kernel column j = p - t maps patch pixel p to tile pixel t. `one_hot`
    # gives zeros for p - t outside 0..kw-1, which makes the matrix banded.
    kernel_column = np.arange(patch_width)[:, None] - np.arange(tile_width)
    band = jax.nn.one_hot(kernel_column, kw, dtype=kernel.dtype)
    # [kh, patch_width, C, tile_width, F], in the order of the flattened patches and tiles.
    matrix = jnp.einsum("ptj,ijcf->ipctf", band, kernel)
    product = patches.reshape(batch * rows * num_tiles, -1) @ matrix.reshape(
        -1, tile_width * features
    )
    return product.reshape(batch, rows, columns, features)


@partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def fast_conv(x, kernel, strides, padding, lhs_dilation):
    """Computes `lax.conv_general_dilated` with gradients that are fast on CPUs.

    Args:
      x: `[B, H, W, C]`.
      kernel: `[kh, kw, C, F]`.
      strides: `(sh, sw)`, strides of the window.
      padding: `((top, bottom), (left, right))`; negative values crop.
      lhs_dilation: `(dh, dw)`, dilation of `x`: `d - 1` zeros are inserted between neighboring rows
        or columns before the padding. Must be `(1, 1)` if a stride is above 1.

    Returns:
      `[B, H', W', F]`.
    """
    options = {"strides": strides, "padding": padding, "lhs_dilation": lhs_dilation}
    lax_conv = partial(conv_by_lax, **options)
    # XLA:CPU is a hundred times slower if the kernel is larger than the input.
    if all(size >= k for size, k in zip(x.shape[1:3], kernel.shape[:2], strict=True)):
        return lax_conv(x, kernel)
    return lax.platform_dependent(
        x, kernel, cpu=partial(conv_by_patches, **options), default=lax_conv
    )


def conv_by_lax(x, kernel, strides, padding, lhs_dilation):
    """Computes the convolution of `fast_conv` as `lax` does."""
    return lax.conv_general_dilated(
        x, kernel, strides, padding, lhs_dilation=lhs_dilation, dimension_numbers=LAYOUT
    )


def conv_by_patches(x, kernel, strides, padding, lhs_dilation):
    """Computes the convolution of `fast_conv` as one matrix product; see there."""
    kh, kw, _, features = kernel.shape
    axes = zip(x.shape[1:3], (kh, kw), strides, padding, lhs_dilation, strict=True)
    sizes = [(dilated_size(n, d) + sum(pads) - k) // s + 1 for n, k, s, pads, d in axes]
    shape = (len(x), *sizes, features)
    if lhs_dilation == (1, 1):
        patches = extract_patches(pad_spatial(x, padding), (kh, kw), strides, shape)
        return lax.dot_general(patches, kernel.reshape(-1, features), (((3,), (0,)), ((), ())))
    # A convolution of a dilated input is the transpose of a strided one, which maps the output back
    # to the input.
    reverse_conv = partial(
        conv_by_patches,
        kernel=rotate_kernel(kernel),
        strides=lhs_dilation,
        padding=reverse_padding(x.shape, shape, kernel.shape, strides, padding, lhs_dilation),
        lhs_dilation=strides,
    )
    (y,) = jax.linear_transpose(reverse_conv, jax.ShapeDtypeStruct(shape, x.dtype))(x)
    return lax.optimization_barrier(y)  # else each use of y would sum the patches again


def extract_patches(x, kernel_size, strides, shape):
    """Returns the patches of `x` `[B, H, W, C]` that `H'` x `W'` outputs depend on.

    Args:
      x: `[B, H, W, C]`.
      kernel_size: `(kh, kw)`.
      strides: `(sh, sw)`.
      shape: `(B, H', W', F)`, the shape of the output.

    Returns:
      `[B, H', W', kh * kw * C]`.
    """
    taps = [(i, j) for i in range(kernel_size[0]) for j in range(kernel_size[1])]
    return jnp.concatenate([strided_slice(x, tap, shape, strides) for tap in taps], -1)


def rotate_kernel(kernel):
    """Returns a kernel rotated by 180 degrees, with its input and output channels swapped."""
    return jnp.swapaxes(kernel[::-1, ::-1], 2, 3)


def _fast_conv_fwd(x, kernel, strides, padding, lhs_dilation):
    # Calls fast_conv itself, so that second derivatives use the fast gradients too.
    return fast_conv(x, kernel, strides, padding, lhs_dilation), (x, kernel)


def _fast_conv_bwd(strides, padding, lhs_dilation, residuals, g):
    x, kernel = residuals
    # The gradient of the input convolves g with the rotated kernel. Strides and dilation swap their
    # roles: g is dilated by the strides, and the window moves by the dilation of x, because only
    # those positions hold entries of x.
    x_padding = reverse_padding(x.shape, g.shape, kernel.shape, strides, padding, lhs_dilation)
    x_grad = fast_conv(g, rotate_kernel(kernel), lhs_dilation, x_padding, strides)
    options = {
        "kernel_shape": kernel.shape,
        "strides": strides,
        "padding": padding,
        "lhs_dilation": lhs_dilation,
    }
    cpu_grad = partial(kernel_grad_by_taps, **options)
    lax_grad = partial(kernel_grad_by_lax, **options)
    return x_grad, lax.platform_dependent(x, g, cpu=cpu_grad, default=lax_grad)


fast_conv.defvjp(_fast_conv_fwd, _fast_conv_bwd)


def reverse_padding(x_shape, g_shape, kernel_shape, strides, padding, lhs_dilation):
    """Returns the padding of the convolution that maps the gradient g of the output to that of x.

    The padded g, dilated by the strides, must have the length of the dilated input plus k - 1, so
    that its convolution has one result per entry of the input. Values are negative, and crop, if
    the forward padding exceeds k - 1.
    """
    axes = zip(
        x_shape[1:3], g_shape[1:3], kernel_shape[:2], strides, padding, lhs_dilation, strict=True
    )
    pads = []
    for x_size, g_size, k, stride, (low, _), dilation in axes:
        total = dilated_size(x_size, dilation) + k - 1 - dilated_size(g_size, stride)
        pads.append((k - 1 - low, total - (k - 1 - low)))
    return tuple(pads)


def dilated_size(size, dilation):
    """Returns the length of an axis with `dilation - 1` zeros between neighboring entries."""
    return (size - 1) * dilation + 1


def kernel_grad_by_lax(x, g, kernel_shape, strides, padding, lhs_dilation):
    """Computes the gradient of the kernel, `[kh, kw, C, F]`, as `lax` derives it.

    Args:
      x: `[B, H, W, C]`, the input of the convolution.
      g: `[B, H', W', F]`, the gradient of its output.
      kernel_shape: `(kh, kw, C, F)`.
      strides: See `fast_conv`.
      padding: See `fast_conv`.
      lhs_dilation: See `fast_conv`.
    """

    def convolve(kernel):
        return lax.conv_general_dilated(
            x, kernel, strides, padding, lhs_dilation=lhs_dilation, dimension_numbers=LAYOUT
        )

    return jax.linear_transpose(convolve, jax.ShapeDtypeStruct(kernel_shape, x.dtype))(g)[0]


def kernel_grad_by_taps(x, g, kernel_shape, strides, padding, lhs_dilation):
    """Computes the gradient of the kernel, `[kh, kw, C, F]`, as one matrix product per tap.

    A tap connects as many entries of `x` as of `g`. Its gradient is the product of those entries,
    `[C, N] @ [N, F]`, summed over the N connected pairs of the batch. With few channels these
    products are too narrow to be fast; then, unless `x` is dilated, the taps share one product. See
    `kernel_grad_by_lax` for the arguments.
    """
    kh, kw, channels, _ = kernel_shape
    contract_pixels = (((0, 1, 2), (0, 1, 2)), ((), ()))
    if lhs_dilation == (1, 1) and channels < MIN_CHANNELS:
        patches = extract_patches(pad_spatial(x, padding), (kh, kw), strides, g.shape)
        return lax.dot_general(patches, g, contract_pixels).reshape(kernel_shape)
    taps = [(i, j) for i in range(kh) for j in range(kw)]
    if lhs_dilation == (1, 1):
        # Along each axis, tap i connects g[m] with the padded x[m * stride + i], for all m.
        x = pad_spatial(x, padding)
        pairs = [(strided_slice(x, tap, g.shape, strides), g) for tap in taps]
    else:
        # The strides are 1, and most of the dilated x is zeros, so g is sliced instead of x. Along
        # each axis, x[m] lies at low + m * dilation of the dilated and padded input, and tap i
        # connects it with g[low + m * dilation - i], or with nothing if g has no such index.
        # Padding g with k - 1 - low zeros in front turns the index into m * dilation + k - 1 - i,
        # which is never negative. The padding at the end gives g the length of the dilated x plus
        # k - 1, enough for the last m of every tap.
        axes = zip(x.shape[1:3], g.shape[1:3], kernel_shape[:2], padding, lhs_dilation, strict=True)
        g_padding = [
            (k - 1 - low, dilated_size(x_size, dilation) + low - g_size)
            for x_size, g_size, k, (low, _), dilation in axes
        ]
        g = pad_spatial(g, g_padding)
        pairs = [
            (x, strided_slice(g, (kh - 1 - i, kw - 1 - j), x.shape, lhs_dilation)) for i, j in taps
        ]
    # [B, H, W, C] x [B, H, W, F] -> [C, F]: contracts the batch, the rows and the columns.
    return jnp.stack([lax.dot_general(*pair, contract_pixels) for pair in pairs]).reshape(
        kernel_shape
    )


def pad_spatial(x, padding):
    """Pads rows and columns of `x` `[B, H, W, C]` with zeros; negative padding crops."""
    rows, columns = ((low, high, 0) for low, high in padding)
    return lax.pad(x, x.dtype.type(0), ((0, 0, 0), rows, columns, (0, 0, 0)))


def strided_slice(x, start, shape, strides):
    """Returns `shape[1]` rows and `shape[2]` columns of `x`, from `start` in steps of `strides`."""
    stops = [
        first + dilated_size(size, stride)
        for first, size, stride in zip(start, shape[1:3], strides, strict=True)
    ]
    return lax.slice(x, (0, *start, 0), (len(x), *stops, x.shape[3]), (1, *strides, 1))
