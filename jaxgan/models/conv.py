"""The convolutional pair for 28x28 images, initialised as PyTorch would."""

from functools import partial

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxgan.models.layers import conv, conv_transpose, dense, max_pool


class ConvDiscriminator(nn.Module):
    """`x [B, 28, 28, 1] -> logits [B]`; 1,102,721 parameters.

    Attributes:
      dtype: of the computation; None takes what the input and the parameters promote to.
      param_dtype: of the parameters.
    """

    dtype: jax.typing.DTypeLike | None = None
    param_dtype: jax.typing.DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x, *, train):
        """Two convolutions and two dense layers; the same in training and evaluation."""
        del train
        dtypes = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        for features in (32, 64):
            x = nn.leaky_relu(
                max_pool(conv(x, features, (5, 5), **dtypes)), 0.01
            )  # pooled first: a quarter of the work
        x = nn.leaky_relu(dense(x.reshape(len(x), -1), 1024, **dtypes), 0.01)
        return dense(x, 1, **dtypes).squeeze(-1)


class ConvGenerator(nn.Module):
    """`z [B, D] -> x [B, 28, 28, 1]` in [-1, 1]; 6,679,105 parameters for D = 100.

    Attributes:
      dtype: of the computation; None takes what the input and the parameters promote to.
      param_dtype: of the parameters.
    """

    dtype: jax.typing.DTypeLike | None = None
    param_dtype: jax.typing.DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, z, *, train):
        """Two dense layers and two transposed convolutions; normalised by the batch if `train`, else by averages."""
        dtypes = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        norm = partial(nn.BatchNorm, use_running_average=not train, momentum=0.9, **dtypes)
        x = norm()(nn.relu(dense(z, 1024, **dtypes)))
        x = norm()(nn.relu(dense(x, 7 * 7 * 128, **dtypes)))
        x = x.reshape(-1, 7, 7, 128)
        x = norm()(nn.relu(conv_transpose(x, 64, (4, 4), (2, 2), **dtypes)))
        return jnp.tanh(conv_transpose(x, 1, (4, 4), (2, 2), **dtypes))
