"""Convolutions with strides or a dilated input, with gradients that are fast on CPUs.

The gradient of the input is a convolution with the layouts that are fast (see
`jaxgan.models.fast_conv`), and the gradient of the kernel is one matrix product per kernel tap, or
a single one if there are few channels and no dilation. A tap is one spatial position `(i, j)` of
the kernel. If the kernel is larger than the input, the convolution itself is a matrix product as
well, since XLA:CPU has no fast implementation for this case.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax import lax

from jaxgan.models.spatial import pad_spatial

LAYOUT = ("NHWC", "HWIO", "NHWC")
# With fewer channels, a product per kernel tap is too narrow to be fast.
MIN_TAP_CHANNELS = 16


@partial(jax.custom_vjp, nondiff_argnums=(2, 3, 4))
def conv_with_fast_gradients(x, kernel, strides, padding, lhs_dilation):
    """Computes a convolution by `lax` or patches, with gradients that are fast on CPUs.

    See `jaxgan.models.fast_conv.fast_conv` for the arguments and the result.
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
    """Computes the same convolution as `lax` does."""
    return lax.conv_general_dilated(
        x, kernel, strides, padding, lhs_dilation=lhs_dilation, dimension_numbers=LAYOUT
    )


def conv_by_patches(x, kernel, strides, padding, lhs_dilation):
    """Computes the same convolution as one matrix product."""
    kh, kw, _, features = kernel.shape
    axes = zip(x.shape[1:3], (kh, kw), strides, padding, lhs_dilation, strict=True)
    sizes = [(dilated_size(n, d) + sum(pads) - k) // s + 1 for n, k, s, pads, d in axes]
    shape = (x.shape[0], *sizes, features)
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


def _conv_fwd(x, kernel, strides, padding, lhs_dilation):
    # Calls the function itself, so that second derivatives use the fast gradients too.
    y = conv_with_fast_gradients(x, kernel, strides, padding, lhs_dilation)
    return y, (x, kernel)


def _conv_bwd(strides, padding, lhs_dilation, residuals, g):
    x, kernel = residuals
    # The gradient of the input convolves g with the rotated kernel. Strides and dilation swap their
    # roles: g is dilated by the strides, and the window moves by the dilation of x, because only
    # those positions hold entries of x.
    x_padding = reverse_padding(x.shape, g.shape, kernel.shape, strides, padding, lhs_dilation)
    x_grad = conv_with_fast_gradients(g, rotate_kernel(kernel), lhs_dilation, x_padding, strides)
    options = {
        "kernel_shape": kernel.shape,
        "strides": strides,
        "padding": padding,
        "lhs_dilation": lhs_dilation,
    }
    cpu_grad = partial(kernel_grad_by_taps, **options)
    lax_grad = partial(kernel_grad_by_lax, **options)
    return x_grad, lax.platform_dependent(x, g, cpu=cpu_grad, default=lax_grad)


conv_with_fast_gradients.defvjp(_conv_fwd, _conv_bwd)


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
      strides: See `jaxgan.models.fast_conv.fast_conv`.
      padding: See `jaxgan.models.fast_conv.fast_conv`.
      lhs_dilation: See `jaxgan.models.fast_conv.fast_conv`.
    """
    conv = partial(conv_by_lax, x, strides=strides, padding=padding, lhs_dilation=lhs_dilation)
    return jax.linear_transpose(conv, jax.ShapeDtypeStruct(kernel_shape, x.dtype))(g)[0]


def kernel_grad_by_taps(x, g, kernel_shape, strides, padding, lhs_dilation):
    """Computes the gradient of the kernel, `[kh, kw, C, F]`, as one matrix product per tap.

    A tap connects as many entries of `x` as of `g`. Its gradient is the product of those entries,
    `[C, N] @ [N, F]`, summed over the N connected pairs of the batch. With few channels these
    products are too narrow to be fast; then, unless `x` is dilated, the taps share one product. See
    `kernel_grad_by_lax` for the arguments.
    """
    kh, kw, channels, _ = kernel_shape
    contract_pixels = (((0, 1, 2), (0, 1, 2)), ((), ()))
    if lhs_dilation == (1, 1) and channels < MIN_TAP_CHANNELS:
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


def strided_slice(x, start, shape, strides):
    """Returns `shape[1]` rows and `shape[2]` columns of `x`, from `start` in steps of `strides`."""
    stops = [
        first + dilated_size(size, stride)
        for first, size, stride in zip(start, shape[1:3], strides, strict=True)
    ]
    return lax.slice(x, (0, *start, 0), (x.shape[0], *stops, x.shape[3]), (1, *strides, 1))
