"""Layers with PyTorch's initialization, spectral normalization, and max-pooling.

`dense`, `conv` and `conv_transpose` construct a Linen module and return `apply(module, x)`. By
default `apply` is a plain call, `module(x)`; pass a wrapper such as `spectral_norm` to change it.
"""

import math
import operator

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax.linen.dtypes import promote_dtype

from jaxgan.models.fast_conv import fast_conv, fast_conv_general_dilated


def uniform_fan_in(fan_in: int) -> nn.initializers.Initializer:
    """Returns an initializer for U(-1/sqrt(fan_in), 1/sqrt(fan_in)).

    This is PyTorch's default for both kernels and biases.
    """
    bound = fan_in**-0.5
    return lambda key, shape, dtype=jnp.float32: jax.random.uniform(
        key, shape, dtype, -bound, bound
    )


def dense(x, features, apply=operator.call, **options):
    """Applies `nn.Dense` with PyTorch's initialization.

    Args:
      x: `[B, F]`.
      features: Number of output features.
      apply: `(module, x) -> output`, how the module is applied.
      **options: Passed to `nn.Dense`.

    Returns:
      `[B, features]`.
    """
    init = uniform_fan_in(x.shape[-1])
    return apply(nn.Dense(features, kernel_init=init, bias_init=init, **options), x)


def conv(x, features, kernel_size, padding="VALID", apply=operator.call, **options):
    """Applies `nn.Conv` with PyTorch's initialization and a fast CPU implementation.

    Args:
      x: `[B, H, W, C]`.
      features: Number of output channels.
      kernel_size: `(kh, kw)`.
      padding: Padding as `nn.Conv` accepts it.
      apply: `(module, x) -> output`, how the module is applied.
      **options: Passed to `nn.Conv`.

    Returns:
      `[B, H', W', features]`.
    """
    init = uniform_fan_in(math.prod(kernel_size) * x.shape[-1])
    options |= {
        "kernel_init": init,
        "bias_init": init,
        "conv_general_dilated_cls": lambda: fast_conv_general_dilated,
    }
    return apply(nn.Conv(features, kernel_size, padding=padding, **options), x)


def conv_transpose(x, features, kernel_size, strides, apply=operator.call, **options):
    """Applies `ConvTranspose` with PyTorch's initialization.

    As in PyTorch, the fan-in of a transposed convolution is `features * kh * kw`.

    Args:
      x: `[B, H, W, C]`.
      features: Number of output channels.
      kernel_size: `(kh, kw)`, each at least its stride.
      strides: `(sh, sw)`.
      apply: `(module, x) -> output`, how the module is applied.
      **options: Passed to `ConvTranspose`.

    Returns:
      `[B, sh * H, sw * W, features]`.
    """
    init = uniform_fan_in(math.prod(kernel_size) * features)
    module = ConvTranspose(
        features, kernel_size, strides, kernel_init=init, bias_init=init, **options
    )
    return apply(module, x)


def spectral_norm(layer, x, *, train, **options):
    """Applies `layer` to `x` with each kernel divided by its largest singular value.

    A dense layer then has a Lipschitz constant of at most 1, up to the error of the estimate. A
    kernel `[kh, kw, C, features]` counts as a matrix `[kh * kw * C, features]`. Each call makes one
    step of power iteration, which starts from the vector of the last call with `train=True`.

    This is an `apply` function for the layers of this module:

        conv(x, 64, (4, 4), strides=2, apply=partial(spectral_norm, train=train))

    Parameters keep their names. At initialization, Linen stores each kernel already divided by the
    first estimate. A kernel initialized with zeros is never normalized, since power iteration never
    leaves the zero vector.

    Args:
      layer: A Linen module.
      x: `[B, …]`, the input of the layer.
      train: Whether to store this call's vector and estimate in the collection `batch_stats`.
      **options: Passed to `nn.SpectralNorm`, for example `n_steps`.

    Returns:
      The output of the layer.

    References:
      Miyato et al. 2018, algorithm 1.
    """
    return nn.SpectralNorm(layer, **options)(x, update_stats=train)


def max_pool(x):
    """Returns the maxima of non-overlapping 2x2 windows.

    Equal maxima share their gradient equally. The implementation takes maxima of strided slices,
    because the gradient of `nn.max_pool` is slow on CPUs.

    Args:
      x: `[B, H, W, C]`.

    Returns:
      `[B, H // 2, W // 2, C]`; an odd last row or column is dropped.
    """
    x = x[:, : x.shape[1] // 2 * 2, : x.shape[2] // 2 * 2]
    left, right = x[:, :, ::2], x[:, :, 1::2]
    row_maxima = jnp.maximum(left, right)
    return jnp.maximum(row_maxima[:, ::2], row_maxima[:, 1::2])


class ConvTranspose(nn.Module):
    """Transposed convolution equal to `nn.ConvTranspose` with padding "SAME", fast on CPUs.

    Maps `x [B, H, W, C]` to `[B, sh * H, sw * W, features]`.

    Attributes:
      features: Number of output channels.
      kernel_size: `(kh, kw)`, each at least its stride.
      strides: `(sh, sw)`.
      dtype: Dtype of the computation; None promotes the dtypes of the input and the parameters.
      param_dtype: Dtype of the parameters.
      kernel_init: Initializer of the kernel `[kh, kw, C, features]`, which is not flipped.
      bias_init: Initializer of the bias `[features]`.
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
        """Convolves `x`, dilated by the strides, with the kernel and adds the bias."""
        kernel_shape = (*self.kernel_size, x.shape[-1], self.features)
        kernel = self.param("kernel", self.kernel_init, kernel_shape, self.param_dtype)
        bias = self.param("bias", self.bias_init, (self.features,), self.param_dtype)
        x, kernel, bias = promote_dtype(x, kernel, bias, dtype=self.dtype)
        # The dilated input has s * (H - 1) + 1 rows, so k + s - 2 rows of padding give s * H rows.
        # An odd total puts the extra row on top, as "SAME" does in `lax.conv_transpose`.
        totals = [k + s - 2 for k, s in zip(self.kernel_size, self.strides, strict=True)]
        padding = tuple((total - total // 2, total // 2) for total in totals)
        return fast_conv(x, kernel, (1, 1), padding, self.strides) + bias.reshape(1, 1, 1, -1)
