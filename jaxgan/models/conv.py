"""Convolutional generator and discriminator for 28x28 images, with PyTorch's initialization."""

from functools import partial

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxgan.models.conditional import batch_norm, class_weights, output_logits
from jaxgan.models.layers import conv, conv_transpose, dense, max_pool


class ConvDiscriminator(nn.Module):
    """Convolutional discriminator for 28x28 images.

    Maps `x [B, 28, 28, C]` to `logits [B]`. It has 1,102,721 parameters for grayscale images and
    1,104,321 for color images.

    Attributes:
      num_classes: Number of classes of the condition; None for a network without condition.
      dtype: Dtype of the computation; None promotes the dtypes of the input and the parameters.
      param_dtype: Dtype of the parameters.
    """

    num_classes: int | None = None
    dtype: jax.typing.DTypeLike | None = None
    param_dtype: jax.typing.DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x, condition=None, *, train):
        """Applies two convolutions and two dense layers; `train` has no effect.

        The condition, if there is one, enters the output layer by a projection.
        """
        del train
        dtypes = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        weights = class_weights(condition, self.num_classes, self.dtype)
        for features in (32, 64):
            # Leaky ReLU is monotonic, so it commutes with max-pooling. Pooling first leaves a
            # quarter of the activations to compute.
            x = nn.leaky_relu(max_pool(conv(x, features, (5, 5), **dtypes)), 0.01)
        x = nn.leaky_relu(dense(x.reshape(len(x), -1), 1024, **dtypes), 0.01)
        return output_logits(x, weights, **dtypes)


class ConvGenerator(nn.Module):
    """Generator of 28x28 images, with transposed convolutions and BatchNorm.

    Maps `z [B, latent_dim]` to `x [B, 28, 28, channels]` in [-1, 1]. It has 6,679,105 parameters
    for `latent_dim` = 100 and one channel, 6,681,155 for three.

    Attributes:
      channels: Number of channels of the images.
      num_classes: Number of classes of the condition; None for a network without condition.
      dtype: Dtype of the computation; None promotes the dtypes of the input and the parameters.
      param_dtype: Dtype of the parameters.
    """

    channels: int = 1
    num_classes: int | None = None
    dtype: jax.typing.DTypeLike | None = None
    param_dtype: jax.typing.DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, z, condition=None, *, train):
        """Applies two dense layers and two transposed convolutions.

        BatchNorm uses the statistics of the batch if `train`, else the running averages. Its scales
        and biases depend on the condition, if there is one.
        """
        dtypes = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        weights = class_weights(condition, self.num_classes, self.dtype)
        norm = partial(batch_norm, weights=weights, train=train, **dtypes)
        x = norm(nn.relu(dense(z, 1024, **dtypes)))
        x = norm(nn.relu(dense(x, 7 * 7 * 128, **dtypes)))
        x = x.reshape(-1, 7, 7, 128)
        x = norm(nn.relu(conv_transpose(x, 64, (4, 4), (2, 2), **dtypes)))
        return jnp.tanh(conv_transpose(x, self.channels, (4, 4), (2, 2), **dtypes))
