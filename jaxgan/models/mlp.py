"""MLP generator and discriminator for data of any shape, with PyTorch's initialization."""

import math
from collections.abc import Callable, Sequence
from functools import partial

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxgan.models.conditional import class_weights, embed_classes, output_logits
from jaxgan.models.layers import dense

EMBEDDING_DIM = 32


class MLPGenerator(nn.Module):
    """MLP generator for samples of any shape.

    Maps `z [B, latent_dim]` to `x [B, *shape]`. It has 293,136 parameters for `latent_dim` = 100
    and the defaults.

    Attributes:
      shape: Shape of one sample.
      widths: Number of units of each hidden layer.
      hidden: Activation function of the hidden layers except the last.
      last_hidden: Activation function of the last hidden layer.
      output: Activation function of the output layer; tanh limits the output to [-1, 1].
      batch_norm: Whether each hidden layer has BatchNorm before its activation function. BatchNorm
        uses the statistics of the batch if `train`, else the running averages.
      num_classes: Number of classes of the condition; None for a network without condition.
      dtype: Dtype of the computation; None promotes the dtypes of the input and the parameters.
      param_dtype: Dtype of the parameters.
    """

    shape: Sequence[int] = (28, 28, 1)
    widths: Sequence[int] = (256, 256)
    hidden: Callable[[jax.Array], jax.Array] = nn.relu
    last_hidden: Callable[[jax.Array], jax.Array] = nn.relu
    output: Callable[[jax.Array], jax.Array] = jnp.tanh
    batch_norm: bool = False
    num_classes: int | None = None
    dtype: jax.typing.DTypeLike | None = None
    param_dtype: jax.typing.DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, z, condition=None, *, train):
        """Applies the dense layers and reshapes the output to `[B, *shape]`.

        The embedding of the condition, if there is one, is appended to z.
        """
        dtypes = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        weights = class_weights(condition, self.num_classes, self.dtype)
        if weights is not None:
            embedding = embed_classes(weights, EMBEDDING_DIM, nn.initializers.normal(1.0), **dtypes)
            z = jnp.concatenate([z, embedding], axis=-1)
        for i, width in enumerate(self.widths, 1):
            z = dense(z, width, **dtypes)
            if self.batch_norm:
                z = nn.BatchNorm(use_running_average=not train, momentum=0.9, **dtypes)(z)
            z = self.last_hidden(z) if i == len(self.widths) else self.hidden(z)
        return self.output(dense(z, math.prod(self.shape), **dtypes)).reshape(-1, *self.shape)


class MLPDiscriminator(nn.Module):
    """MLP discriminator for samples of any shape.

    Maps `x [B, …]` to `logits [B]`. It has 267,009 parameters for samples of 784 values and the
    defaults.

    Attributes:
      widths: Number of units of each hidden layer.
      hidden: Activation function of the hidden layers.
      num_classes: Number of classes of the condition; None for a network without condition.
      dtype: Dtype of the computation; None promotes the dtypes of the input and the parameters.
      param_dtype: Dtype of the parameters.
    """

    widths: Sequence[int] = (256, 256)
    hidden: Callable[[jax.Array], jax.Array] = partial(nn.leaky_relu, negative_slope=0.2)
    num_classes: int | None = None
    dtype: jax.typing.DTypeLike | None = None
    param_dtype: jax.typing.DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x, condition=None, *, train):
        """Flattens each sample and applies the dense layers; `train` has no effect.

        The condition, if there is one, enters the output layer by a projection.
        """
        del train
        dtypes = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        weights = class_weights(condition, self.num_classes, self.dtype)
        x = x.reshape(len(x), -1)
        for width in self.widths:
            x = self.hidden(dense(x, width, **dtypes))
        return output_logits(x, weights, **dtypes)
