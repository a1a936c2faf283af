"""Perceptrons for points in the plane, as PacGAN has them (Lin et al. 2018, section 4.1).

Weights start as N(0, 0.02²), biases at 0.
"""

import math
from functools import partial

import jax
import jax.numpy as jnp
from flax import linen as nn

dense = partial(nn.Dense, kernel_init=nn.initializers.normal(0.02))


class MixtureGenerator(nn.Module):
    """`z [B, D] -> x [B, 2]`, unbounded; 484,802 parameters for D = 2 and the defaults.

    Attributes:
      width: of each hidden layer.
      layers: how many there are.
      dtype: of the computation; None takes what the input and the parameters promote to.
      param_dtype: of the parameters.
    """

    width: int = 400
    layers: int = 4
    dtype: jax.typing.DTypeLike | None = None
    param_dtype: jax.typing.DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, z, *, train):
        """Dense layers, each normalised by the batch if `train`, else by averages, then rectified."""
        dtypes = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        norm = partial(
            nn.BatchNorm, use_running_average=not train, momentum=0.95, epsilon=1e-4, **dtypes
        )
        for _ in range(self.layers):
            z = nn.relu(norm()(dense(self.width, use_bias=False, **dtypes)(z)))
        return dense(2, **dtypes)(z)


class MixtureDiscriminator(nn.Module):
    """`x [B, …] -> logits [B]`; 405,201 parameters for two numbers a sample and the defaults.

    It can look at several samples at once and give one logit for them all: `x [B, …] -> logits [B // pack]`. To a
    discriminator that sees them together, samples too alike are not real. Those too few for a pack are left out.

    Attributes:
      width: of each hidden layer.
      pieces: linear maps each unit takes the maximum of (Goodfellow et al. 2013).
      layers: how many hidden layers there are.
      pack: how many samples get one logit (Lin et al. 2018). Above 1 there is no logit of a sample, and no penalty on
        its slope.
      dtype: of the computation; None takes what the input and the parameters promote to.
      param_dtype: of the parameters.
    """

    width: int = 200
    pieces: int = 5
    layers: int = 3
    pack: int = 1
    dtype: jax.typing.DTypeLike | None = None
    param_dtype: jax.typing.DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x, *, train):
        """Maxout layers; the same in training and evaluation."""
        del train
        dtypes = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        num = len(x) // self.pack
        x = x[: num * self.pack].reshape(num, self.pack * math.prod(x.shape[1:]))
        for _ in range(self.layers):
            x = (
                dense(self.pieces * self.width, **dtypes)(x)
                .reshape(num, self.pieces, self.width)
                .max(1)
            )
        return dense(1, **dtypes)(x).squeeze(-1)
