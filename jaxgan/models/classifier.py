"""A small convolutional classifier; its last hidden layer provides the features for metrics."""

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxgan.models.layers import conv, dense, max_pool


class Classifier(nn.Module):
    """Convolutional classifier that returns features and logits.

    Maps `x [B, H, W, C]` to `(features [B, 128], logits [B, num_classes])`. It has 80,202
    parameters for 28x28x1 images and 10 classes.

    Attributes:
      num_classes: Number of classes.
      dtype: Dtype of the computation; None promotes the dtypes of the input and the parameters.
      param_dtype: Dtype of the parameters.
    """

    num_classes: int = 10
    dtype: jax.typing.DTypeLike | None = None
    param_dtype: jax.typing.DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x, *, train):
        """Applies two convolutions and two dense layers; `train` has no effect."""
        del train
        dtypes = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        for features in (16, 32):
            x = nn.relu(max_pool(conv(x, features, (5, 5), **dtypes)))
        x = nn.relu(dense(x.reshape(len(x), -1), 128, **dtypes))
        return x, dense(x, self.num_classes, **dtypes)
