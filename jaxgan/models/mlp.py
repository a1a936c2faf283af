"""Multilayer perceptrons for data of any shape, initialised as PyTorch would."""

import math
from collections.abc import Callable, Sequence
from functools import partial

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxgan.models.layers import dense


class MLPGenerator(nn.Module):
    """`z [B, D] -> x [B, *shape]`; 294,160 parameters for D = 100 and the defaults.

    Attributes:
      shape: of one sample.
      widths: of the hidden layers.
      hidden: the activation of every hidden layer but the last.
      last_hidden: the activation of the last hidden layer.
      output: the activation of the output; tanh keeps it in [-1, 1].
      batch_norm: normalise every hidden layer before its activation: by the batch if `train`, else by averages.
      dtype: of the computation; None takes what the input and the parameters promote to.
      param_dtype: of the parameters.
    """

    shape: Sequence[int] = (28, 28, 1)
    widths: Sequence[int] = (256, 256)
    hidden: Callable[[jax.Array], jax.Array] = nn.relu
    last_hidden: Callable[[jax.Array], jax.Array] = nn.relu
    output: Callable[[jax.Array], jax.Array] = jnp.tanh
    batch_norm: bool = False
    dtype: jax.typing.DTypeLike | None = None
    param_dtype: jax.typing.DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, z, *, train):
        """Dense layers."""
        dtypes = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        for i, width in enumerate(self.widths, 1):
            z = dense(z, width, **dtypes)
            if self.batch_norm:
                z = nn.BatchNorm(use_running_average=not train, momentum=0.9, **dtypes)(z)
            z = self.last_hidden(z) if i == len(self.widths) else self.hidden(z)
        return self.output(dense(z, math.prod(self.shape), **dtypes)).reshape(-1, *self.shape)


class MLPDiscriminator(nn.Module):
    """`x [B, …] -> logits [B]`; 267,009 parameters for 784 numbers a sample and the defaults.

    Attributes:
      widths: of the hidden layers.
      hidden: their activation.
      dtype: of the computation; None takes what the input and the parameters promote to.
      param_dtype: of the parameters.
    """

    widths: Sequence[int] = (256, 256)
    hidden: Callable[[jax.Array], jax.Array] = partial(nn.leaky_relu, negative_slope=0.2)
    dtype: jax.typing.DTypeLike | None = None
    param_dtype: jax.typing.DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x, *, train):
        """Dense layers; the same in training and evaluation."""
        del train
        dtypes = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        x = x.reshape(len(x), -1)
        for width in self.widths:
            x = self.hidden(dense(x, width, **dtypes))
        return dense(x, 1, **dtypes).squeeze(-1)
