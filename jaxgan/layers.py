"""PyTorch's initialisation, spectral norms, and convolutions that stay fast on CPUs, inside loops too.

`dense`, `conv` and `conv_transpose` make a Linen module and end in `apply(module, x)`, which is `module(x)` unless told
otherwise: that is where a wrapper such as `spectral_norm` comes in.

XLA:CPU has fast kernels for convolutions `NHWC x HWIO -> NHWC` only. Automatic differentiation writes gradients in
other layouts, which are rewritten at a program's top level but not in the body of a loop, where they run some twenty
times slower. Matrix products are fast everywhere, and their derivatives are matrix products. So on CPUs a convolution
without strides is one product with a banded matrix (`conv_by_products`); one with strides, or transposed, states its
gradients in fast forms (`fast_conv`): the input's as a convolution of the plain layout, and the kernel's as one product
for each tap of the kernel.
"""

import math
import operator
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn
from flax.linen.dtypes import promote_dtype
from jax import lax

from jaxgan.errors import ShapeError

LAYOUT = ("NHWC", "HWIO", "NHWC")


def uniform_fan_in(fan_in: int) -> nn.initializers.Initializer:
    """Uniform on ±1/sqrt(fan_in): PyTorch's default for kernels and biases alike."""
    bound = fan_in**-0.5
    return lambda key, shape, dtype=jnp.float32: jax.random.uniform(key, shape, dtype, -bound, bound)


def dense(x, features, apply=operator.call, **options):
    """`nn.Dense` with PyTorch's initialisation: `[B, F] -> [B, features]`. Options go to `nn.Dense`."""
    init = uniform_fan_in(x.shape[-1])
    return apply(nn.Dense(features, kernel_init=init, bias_init=init, **options), x)


def conv(x, features, kernel_size, padding="VALID", apply=operator.call, **options):
    """`nn.Conv` with PyTorch's initialisation: `[B, H, W, C] -> [B, H', W', features]`. Options go to `nn.Conv`."""
    init = uniform_fan_in(math.prod(kernel_size) * x.shape[-1])
    options |= {"kernel_init": init, "bias_init": init, "conv_general_dilated_cls": lambda: fast_conv_general_dilated}
    return apply(nn.Conv(features, kernel_size, padding=padding, **options), x)


def conv_transpose(x, features, kernel_size, strides, apply=operator.call, **options):
    """`ConvTranspose` with PyTorch's initialisation: `[B, H, W, C] -> [B, sH, sW, features]`.

    PyTorch counts a transposed convolution's fan_in as `features * kh * kw`.
    """
    init = uniform_fan_in(math.prod(kernel_size) * features)
    return apply(ConvTranspose(features, kernel_size, strides, kernel_init=init, bias_init=init, **options), x)


def spectral_norm(layer, x, *, train, **options):
    """`layer(x)` with each kernel divided by its largest singular value; a dense layer's slope is then at most 1.

    A kernel `[kh, kw, C, features]` counts as a matrix `[kh * kw * C, features]`. The singular value is estimated by a
    step of power iteration a call, which begins where the last call in training ended. It is an `apply` for the layers
    above:

        conv(x, 64, (4, 4), strides=2, apply=partial(spectral_norm, train=train))

    Parameters keep the names they have without it. What Linen stores as the first kernel is already divided by the
    first estimate. A kernel that starts at zero is never normalised, since the iteration never leaves the zero vector.

    Args:
      layer: a Linen module.
      x: `[B, …]`, the layer's input.
      train: whether the vector and the estimate of this call stay, in the collection `batch_stats`.
      **options: go to `nn.SpectralNorm`, such as `n_steps`.

    Returns:
      The layer's output.

    References:
      Miyato et al. 2018, algorithm 1.
    """
    return nn.SpectralNorm(layer, **options)(x, update_stats=train)


def max_pool(x):
    """The maxima of 2x2 windows: `[B, H, W, C] -> [B, H//2, W//2, C]`, an odd last row or column dropped.

    Written as maxima of shifted images, because the gradient of `nn.max_pool` is slow on CPUs. Equal maxima share their
    gradient.
    """
    x = x[:, : x.shape[1] // 2 * 2, : x.shape[2] // 2 * 2]
    left, right = x[:, :, ::2], x[:, :, 1::2]
    wide = jnp.maximum(left, right)
    return jnp.maximum(wide[:, ::2], wide[:, 1::2])


class ConvTranspose(nn.Module):
    """`nn.ConvTranspose` with padding "SAME" and a bias: `[B, H, W, C] -> [B, sH, sW, features]`.

    Attributes:
      features: channels of the output.
      kernel_size: `(kh, kw)`, each at least its stride.
      strides: `(sh, sw)`.
      dtype: of the computation; None takes what the input and the parameters promote to.
      param_dtype: of the parameters.
      kernel_init: of the kernel `[kh, kw, C, features]`, which is not flipped.
      bias_init: of the bias `[features]`.
    """

    features: int
    kernel_size: tuple[int, int]
    strides: tuple[int, int]
    dtype: jax.typing.DTypeLike | None = None
    param_dtype: jax.typing.DTypeLike = jnp.float32
    kernel_init: nn.initializers.Initializer = nn.initializers.lecun_normal()
    bias_init: nn.initializers.Initializer = nn.initializers.zeros_init()

    @nn.compact
    def __call__(self, x):
        """Spreads the input out by the strides and convolves it."""
        kernel = self.param(
            "kernel", self.kernel_init, (*self.kernel_size, x.shape[-1], self.features), self.param_dtype
        )
        bias = self.param("bias", self.bias_init, (self.features,), self.param_dtype)
        x, kernel, bias = promote_dtype(x, kernel, bias, dtype=self.dtype)
        totals = [k + s - 2 for k, s in zip(self.kernel_size, self.strides, strict=True)]
        pads = tuple((total - total // 2, total // 2) for total in totals)
        return fast_conv(x, kernel, (1, 1), pads, self.strides) + bias.reshape(1, 1, 1, -1)


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
    plain = lhs.ndim == 4 and feature_group_count == 1 and precision is None and set(rhs_dilation or (1,)) == {1}
    if not plain or (max(spread) > 1 and (max(strides) > 1 or isinstance(padding, str))):
        dilations = {"lhs_dilation": lhs_dilation, "rhs_dilation": rhs_dilation, "dimension_numbers": dimension_numbers}
        options = {"feature_group_count": feature_group_count, "precision": precision}
        return lax.conv_general_dilated(lhs, rhs, strides, padding, **dilations, **options)
    if isinstance(padding, str):
        padding = lax.padtype_to_pads(lhs.shape[1:3], rhs.shape[:2], strides, padding)
    pads = tuple((low, high) for low, high in padding)
    if max(strides + spread) > 1:
        return fast_conv(lhs, rhs, strides, pads, spread)
    by_lax = partial(lax.conv_general_dilated, window_strides=strides, padding=pads, dimension_numbers=LAYOUT)
    return lax.platform_dependent(lhs, rhs, cpu=partial(conv_by_products, pads=pads), default=by_lax)


def conv_by_products(x, kernel, pads):
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
    x, (kh, kw, _, features) = pad(x, pads), kernel.shape
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
    product = patches.reshape(batch * rows * (columns // tile), -1) @ matrix.reshape(-1, tile * features)
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
    return lax.conv_general_dilated(x, kernel, strides, pads, lhs_dilation=spread, dimension_numbers=LAYOUT)


def _forward(x, kernel, strides, pads, spread):
    # Through fast_conv again, so that second derivatives take the fast way too.
    return fast_conv(x, kernel, strides, pads, spread), (x, kernel)


def _backward(strides, pads, spread, saved, g):
    x, kernel = saved
    flipped = jnp.swapaxes(kernel[::-1, ::-1], 2, 3)
    sizes = zip(x.shape[1:3], g.shape[1:3], kernel.shape[:2], strides, pads, spread, strict=True)
    x_gradient = fast_conv(g, flipped, spread, tuple(transposed_pads(*axis) for axis in sizes), strides)
    form = {"shape": kernel.shape, "strides": strides, "pads": pads, "spread": spread}
    by_taps, by_lax = partial(kernel_gradient_by_taps, **form), partial(kernel_gradient_by_lax, **form)
    return x_gradient, lax.platform_dependent(x, g, cpu=by_taps, default=by_lax)


fast_conv.defvjp(_forward, _backward)


def transposed_pads(x_size, g_size, k, stride, pads, spread):
    """The padding with which convolving the output's gradient gives the input's, along one axis; can be below 0."""
    low = k - 1 - pads[0]
    return low, dilated(x_size, spread) + k - 1 - dilated(g_size, stride) - low


def dilated(size, step):
    """The length of an axis whose entries are spread out by `step`."""
    return (size - 1) * step + 1


def kernel_gradient_by_lax(x, g, shape, strides, pads, spread):
    """The kernel's gradient as XLA derives it: `[kh, kw, C, F]`."""

    def convolve(kernel):
        return lax.conv_general_dilated(x, kernel, strides, pads, lhs_dilation=spread, dimension_numbers=LAYOUT)

    return jax.linear_transpose(convolve, jax.ShapeDtypeStruct(shape, x.dtype))(g)[0]


def kernel_gradient_by_taps(x, g, shape, strides, pads, spread):
    """The kernel's gradient `[kh, kw, C, F]`, a product `[C, BHW] @ [BHW, F]` for each tap, of the pixels it joins."""
    taps = [(i, j) for i in range(shape[0]) for j in range(shape[1])]
    if spread == (1, 1):
        x = pad(x, pads)
        pairs = [(window(x, tap, g.shape, strides), g) for tap in taps]
    else:  # the gradient is cut into windows, because most of the spread-out input is zeros
        sizes = zip(x.shape[1:3], g.shape[1:3], shape[:2], pads, spread, strict=True)
        g = pad(g, [(k - 1 - low, dilated(n, d) + low - m) for n, m, k, (low, _), d in sizes])
        pairs = [(x, window(g, (shape[0] - 1 - i, shape[1] - 1 - j), x.shape, spread)) for i, j in taps]
    over_pixels = (((0, 1, 2), (0, 1, 2)), ((), ()))
    return jnp.stack([lax.dot_general(*pair, over_pixels) for pair in pairs]).reshape(shape)


def pad(x, pads):
    """Adds rows and columns of zeros, or cuts off as many as a padding is below 0."""
    return lax.pad(x, x.dtype.type(0), ((0, 0, 0), *((low, high, 0) for low, high in pads), (0, 0, 0)))


def window(x, start, shape, steps):
    """`shape[1]` rows and `shape[2]` columns of `x`, beginning at `start`, by `steps`."""
    stops = [begin + dilated(size, step) for begin, size, step in zip(start, shape[1:3], steps, strict=True)]
    return lax.slice(x, (0, *start, 0), (len(x), *stops, x.shape[3]), (1, *steps, 1))
