"""Layers with PyTorch's initialisation, spectral norms, and max-pooling.

`dense`, `conv` and `conv_transpose` make a Linen module and end in `apply(module, x)`, which is `module(x)` unless told
otherwise: that is where a wrapper such as `spectral_norm` comes in.
"""

import math
import operator

import jax
import jax.numpy as jnp
from flax import linen as nn
from flax.linen.dtypes import promote_dtype

from jaxgan.models.fast_conv import fast_conv, fast_conv_general_dilated


def uniform_fan_in(fan_in: int) -> nn.initializers.Initializer:
    """Uniform on ±1/sqrt(fan_in): PyTorch's default for kernels and biases alike."""
    bound = fan_in**-0.5
    return lambda key, shape, dtype=jnp.float32: jax.random.uniform(
        key, shape, dtype, -bound, bound
    )


def dense(x, features, apply=operator.call, **options):
    """`nn.Dense` with PyTorch's initialisation: `[B, F] -> [B, features]`. Options go to `nn.Dense`."""
    init = uniform_fan_in(x.shape[-1])
    return apply(nn.Dense(features, kernel_init=init, bias_init=init, **options), x)


def conv(x, features, kernel_size, padding="VALID", apply=operator.call, **options):
    """`nn.Conv` with PyTorch's initialisation: `[B, H, W, C] -> [B, H', W', features]`. Options go to `nn.Conv`."""
    init = uniform_fan_in(math.prod(kernel_size) * x.shape[-1])
    options |= {
        "kernel_init": init,
        "bias_init": init,
        "conv_general_dilated_cls": lambda: fast_conv_general_dilated,
    }
    return apply(nn.Conv(features, kernel_size, padding=padding, **options), x)


def conv_transpose(x, features, kernel_size, strides, apply=operator.call, **options):
    """`ConvTranspose` with PyTorch's initialisation: `[B, H, W, C] -> [B, sH, sW, features]`.

    PyTorch counts a transposed convolution's fan_in as `features * kh * kw`.
    """
    init = uniform_fan_in(math.prod(kernel_size) * features)
    return apply(
        ConvTranspose(features, kernel_size, strides, kernel_init=init, bias_init=init, **options),
        x,
    )


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
            "kernel",
            self.kernel_init,
            (*self.kernel_size, x.shape[-1], self.features),
            self.param_dtype,
        )
        bias = self.param("bias", self.bias_init, (self.features,), self.param_dtype)
        x, kernel, bias = promote_dtype(x, kernel, bias, dtype=self.dtype)
        totals = [k + s - 2 for k, s in zip(self.kernel_size, self.strides, strict=True)]
        pads = tuple((total - total // 2, total // 2) for total in totals)
        return fast_conv(x, kernel, (1, 1), pads, self.strides) + bias.reshape(1, 1, 1, -1)
