"""The smallest GANs: a constant generator and a linear discriminator, with known trajectories."""

import jax
import jax.numpy as jnp
from flax import linen as nn


class DiracGenerator(nn.Module):
    """Generator of one point: G(z) = θ + noise · z.

    Maps `z [B, dim]` to `x [B, dim]`. Its parameter is θ `[dim]`, initialized with 1.

    Attributes:
      noise: Standard deviation of the instance noise that is added to the samples, for a prior of
        variance 1. The real samples must have it, too.
      param_dtype: Dtype of the parameter.

    References:
      Mescheder et al. 2018, section 2; section 3 (instance noise).
    """

    noise: float = 0.0
    param_dtype: jax.typing.DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, z, *, train):
        """Returns θ for each z; `train` has no effect."""
        del train
        theta = self.param("theta", nn.initializers.ones, z.shape[1:], self.param_dtype)
        return theta[None] + self.noise * z


class DiracDiscriminator(nn.Module):
    """Linear discriminator without a bias: D(x) = ψ · x.

    Maps `x [B, dim]` to `logits [B]`. Its parameter is ψ `[dim]`, initialized with 1.

    Attributes:
      param_dtype: Dtype of the parameter.

    References:
      Mescheder et al. 2018, section 2.
    """

    param_dtype: jax.typing.DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x, *, train):
        """Returns ψ · x for each row; `train` has no effect."""
        del train
        psi = self.param("psi", nn.initializers.ones, x.shape[1:], self.param_dtype)
        return x @ psi
