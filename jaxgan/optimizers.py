"""optax's optimisers with the settings under which GANs are trained."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax


def adam(
    learning_rate: optax.ScalarOrSchedule, b1: float = 0.5, b2: float = 0.999
) -> optax.GradientTransformation:
    """Adam with the lower momentum that suits a moving opponent (Radford et al. 2016, section 4)."""
    return optax.adam(learning_rate, b1=b1, b2=b2)


def rmsprop(
    learning_rate: optax.ScalarOrSchedule, decay: float = 0.99
) -> optax.GradientTransformation:
    """RMSprop as PyTorch computes it: slow decay, and epsilon added outside the square root."""
    return optax.rmsprop(learning_rate, decay=decay, eps=1e-8, eps_in_sqrt=False)


def clip_weights(limit: float | jax.Array) -> Callable[[Any], Any]:
    """A projection for `make_gan` that keeps every parameter within ±limit (Arjovsky et al. 2017, algorithm 1)."""
    return lambda params: jax.tree.map(lambda x: jnp.clip(x, -limit, limit), params)
