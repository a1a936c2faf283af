"""Prior distributions of the generator's latent vector z.

A prior is `(key, num) -> z [num, dim]`; the key is consumed. Samples are always float32, so a seed
gives the same z for every precision of the networks.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxgan.errors import ConfigError

Prior = Callable[[jax.Array, int], jax.Array]


def normal(dim: int) -> Prior:
    """Standard normal prior: N(0, 1), independent in each dimension.

    Args:
      dim: Dimension of z, at least 1.

    Returns:
      A prior.

    Raises:
      ConfigError: If `dim` is not an int of at least 1.
    """
    check_dim(dim)
    return lambda key, num: jax.random.normal(key, (num, dim), jnp.float32)


def uniform(dim: int) -> Prior:
    """Uniform prior: U(-1, 1), independent in each dimension.

    Args:
      dim: Dimension of z, at least 1.

    Returns:
      A prior.

    Raises:
      ConfigError: If `dim` is not an int of at least 1.
    """
    check_dim(dim)
    return lambda key, num: jax.random.uniform(
        key, (num, dim), jnp.float32, minval=-1.0, maxval=1.0
    )


def check_dim(dim: int) -> None:
    """Raises ConfigError if `dim` is not an int of at least 1."""
    if not isinstance(dim, int) or dim < 1:
        raise ConfigError(
            f"the latent dimension is {dim!r}, expected an int of at least 1, such as 64"
        )
