"""MLPs for points in the plane, with the architecture of PacGAN (Lin et al. 2018, section 4.1).

Kernels are initialized from N(0, 0.02²), biases with 0.
"""

import math
from functools import partial

import jax
import jax.numpy as jnp
from flax import linen as nn

dense = partial(nn.Dense, kernel_init=nn.initializers.normal(0.02))


class MixtureGenerator(nn.Module):
    """MLP generator of points in the plane, with BatchNorm and ReLU.

    Maps `z [B, latent_dim]` to `x [B, 2]`, unbounded. It has 484,802 parameters for
    `latent_dim` = 2 and the defaults.

    Attributes:
      width: Number of units of each hidden layer.
      layers: Number of hidden layers.
      dtype: Dtype of the computation; None promotes the dtypes of the input and the parameters.
      param_dtype: Dtype of the parameters.

    References:
      Lin et al. 2018, section 4.1.
    """

    width: int = 400
    layers: int = 4
    dtype: jax.typing.DTypeLike | None = None
    param_dtype: jax.typing.DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, z, *, train):
        """Applies hidden layers of dense, BatchNorm and ReLU, then a dense output layer.

        BatchNorm uses the statistics of the batch if `train`, else the running averages.
        """
        dtypes = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        norm = partial(
            nn.BatchNorm, use_running_average=not train, momentum=0.95, epsilon=1e-4, **dtypes
        )
        for _ in range(self.layers):
            # BatchNorm adds a bias of its own.
            z = nn.relu(norm()(dense(self.width, use_bias=False, **dtypes)(z)))
        return dense(2, **dtypes)(z)


class MixtureDiscriminator(nn.Module):
    """Maxout discriminator that can classify packs of several samples.

    Maps `x [B, …]` to `logits [B // pack]`. It has 405,201 parameters for samples of two values
    and the defaults.

    With `pack` above 1, consecutive samples are concatenated and get one common logit. The
    discriminator can then recognize a lack of diversity within a pack. The last `B % pack` samples,
    too few for a pack, are dropped.

    Attributes:
      width: Number of units of each hidden layer.
      pieces: Number of linear maps of which each unit takes the maximum.
      layers: Number of hidden layers.
      pack: Number of samples per logit. Above 1 no logit belongs to a single sample, so penalties
        on the gradient with respect to a sample are not available.
      dtype: Dtype of the computation; None promotes the dtypes of the input and the parameters.
      param_dtype: Dtype of the parameters.

    References:
      Goodfellow et al. 2013 (maxout); Lin et al. 2018, section 4.1 (packing and architecture).
    """

    width: int = 200
    pieces: int = 5
    layers: int = 3
    pack: int = 1
    dtype: jax.typing.DTypeLike | None = None
    param_dtype: jax.typing.DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x, *, train):
        """Applies the maxout layers and a dense output layer; `train` has no effect."""
        del train
        dtypes = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        num_packs = len(x) // self.pack
        x = x[: num_packs * self.pack]
        x = x.reshape(num_packs, self.pack * math.prod(x.shape[1:]))
        for _ in range(self.layers):
            x = dense(self.pieces * self.width, **dtypes)(x)
            x = x.reshape(num_packs, self.pieces, self.width).max(1)
        return dense(1, **dtypes)(x).squeeze(-1)
