"""Optax optimizers with the settings that are usual for GANs, and a projection of weights."""

import numbers
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jaxgan._checks import check_number
from jaxgan.errors import ConfigError


def adam(
    learning_rate: optax.ScalarOrSchedule, b1: float = 0.5, b2: float = 0.999
) -> optax.GradientTransformation:
    """Adam with `b1` 0.5 instead of 0.9.

    The lower momentum is more stable for GANs, because the loss surface of each network changes
    whenever the other one is updated.

    Args:
      learning_rate: A scalar, which may be traced, or an optax schedule.
      b1: Decay of the first moment, in (-1, 1). A negative momentum damps the rotation of
        alternating updates.
      b2: Decay of the second moment, in [0, 1).

    Returns:
      An optax gradient transformation.

    Raises:
      ConfigError: If a number is out of its range.

    References:
      Radford et al. 2016, section 4; Gidel et al. 2019b (negative momentum).
    """
    check_number("learning_rate", learning_rate, 0)
    check_number("b1", b1, -1, below=1, open_lower=True)
    check_number("b2", b2, 0, below=1)
    return optax.adam(learning_rate, b1=b1, b2=b2)


def rmsprop(
    learning_rate: optax.ScalarOrSchedule, decay: float = 0.99
) -> optax.GradientTransformation:
    """RMSprop as in PyTorch: decay 0.99, and epsilon 1e-8 added outside the square root.

    Args:
      learning_rate: A scalar, which may be traced, or an optax schedule.
      decay: Decay of the mean squared gradient, in [0, 1).

    Returns:
      An optax gradient transformation.

    Raises:
      ConfigError: If a number is out of its range.
    """
    check_number("learning_rate", learning_rate, 0)
    check_number("decay", decay, 0, below=1)
    return optax.rmsprop(learning_rate, decay=decay, eps=1e-8, eps_in_sqrt=False)


def optimistic(tx: optax.GradientTransformation) -> optax.GradientTransformation:
    """Makes an optimizer optimistic: applies 2 u_t - u_{t-1} in place of its update u_t.

    The difference of the last two updates predicts how the opponent will change the next one. The
    first update is applied as it is. For a constant rate, `optimistic(adam(rate))` is optax's
    `optimistic_adam_v2` with `nesterov=False`.

    Args:
      tx: The optimizer, such as `adam(3e-4)` or `optax.sgd(0.1)`.

    Returns:
      An optax gradient transformation.

    References:
      Popov 1980; Daskalakis et al. 2018, algorithm 1 (optimistic Adam).
    """
    return optax.chain(tx, optax.scale_by_optimistic_gradient())


def clip_weights(limit: float | jax.Array) -> Callable[[Any], Any]:
    """Returns a projection for `make_gan` that clips every parameter to [-limit, limit].

    Args:
      limit: Bound of the absolute values, above 0; may be traced.

    Returns:
      `params -> params`.

    Raises:
      ConfigError: If `limit` is not above 0.

    References:
      Arjovsky et al. 2017, algorithm 1.
    """
    if isinstance(limit, numbers.Real) and not float(limit) > 0:
        raise ConfigError(f"limit is {limit}, expected a number above 0")
    return lambda params: jax.tree.map(lambda x: jnp.clip(x, -limit, limit), params)
