"""A small convolutional classifier, whose last hidden layer is what images are compared by."""

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxgan.models.layers import conv, dense, max_pool


class Classifier(nn.Module):
    """`x [B, H, W, C] -> (features [B, 128], logits [B, classes])`; 80,746 parameters for 28x28x1 and 10 classes.

    Attributes:
      classes: how many.
      dtype: of the computation; None takes what the input and the parameters promote to.
      param_dtype: of the parameters.
    """

    classes: int = 10
    dtype: jax.typing.DTypeLike | None = None
    param_dtype: jax.typing.DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x, *, train):
        """Two convolutions and two dense layers; the same in training and evaluation."""
        del train
        dtypes = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        for features in (16, 32):
            x = nn.relu(max_pool(conv(x, features, (5, 5), **dtypes)))
        x = nn.relu(dense(x.reshape(len(x), -1), 128, **dtypes))
        return x, dense(x, self.classes, **dtypes)
