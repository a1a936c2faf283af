"""What the generator starts from: `(key, num) -> z [num, dim]`, the key is consumed.

Always float32, so that a seed means the same noise whatever the precision of the networks.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxgan.errors import ConfigError

Prior = Callable[[jax.Array, int], jax.Array]


def normal(dim: int) -> Prior:
    """Independent N(0, 1) in each of `dim` dimensions. Raises ConfigError where `dim` is not at least 1."""
    check_dim(dim)
    return lambda key, num: jax.random.normal(key, (num, dim), jnp.float32)


def uniform(dim: int) -> Prior:
    """Independent U(-1, 1) in each of `dim` dimensions. Raises ConfigError where `dim` is not at least 1."""
    check_dim(dim)
    return lambda key, num: jax.random.uniform(
        key, (num, dim), jnp.float32, minval=-1.0, maxval=1.0
    )


def check_dim(dim: int) -> None:
    """Raises ConfigError unless `dim` is an int of at least 1."""
    if not isinstance(dim, int) or dim < 1:
        raise ConfigError(f"the noise has dimension {dim!r}, expected an int of at least 1")
