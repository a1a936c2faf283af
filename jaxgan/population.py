"""GANs that differ in numbers, such as learning rates, trained side by side as one population."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxgan.errors import ConfigError
from jaxgan.gan import GAN, jit_steps


def make_population(build: Callable[[Any], GAN], numbers: Any) -> GAN:
    """Players of which every member of a population has its own numbers.

    Args:
      build: makes a GAN of one member's numbers. It is called while functions are traced, then with traced scalars, so
        that the networks, the prior and the kinds of optimiser and penalty must not depend on them.
      numbers: a pytree of arrays, or lists, `[N, …]`, a row a member, such as
        `{"learning_rate": [1e-4, 3e-4, 1e-3], "gamma": [0.1, 1.0, 10.0]}`.

    Returns:
      A GAN whose states carry their numbers; `init` gives those of the first member. `training.train` gives each of
      N `seeds` its own.

    Raises:
      ConfigError: where the arrays do not have one first axis in common; and what `build` raises.
    """
    numbers = jax.tree.map(jnp.asarray, numbers, is_leaf=lambda x: isinstance(x, list))
    lengths = {x.shape[:1] for x in jax.tree.leaves(numbers)}
    if len(lengths) != 1 or lengths <= {(), (0,)}:
        raise ConfigError(
            f"numbers have first axes {sorted(lengths)}, expected one length, a row a member"
        )
    first = jax.tree.map(lambda x: x[0], numbers)
    players = build(first)

    def init(key, real, condition=None):
        return players.init(key, real, condition).replace(hyperparams=first)

    def d_step(state, real, key, condition=None):
        return build(state.hyperparams).d_step(state, real, key, condition)

    def g_step(state, real, key, condition=None):
        return build(state.hyperparams).g_step(state, real, key, condition)

    def step(state, real, key, condition=None, simultaneous=False):
        return build(state.hyperparams).step(state, real, key, condition, simultaneous)

    return players._replace(
        init=jax.jit(init), **jit_steps(d_step, g_step, step), hyperparams=numbers
    )
