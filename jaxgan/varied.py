"""GANs that differ in numbers, such as learning rates, trained side by side as one population."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxgan.errors import ConfigError
from jaxgan.gan import GAN


def vary(build: Callable[[Any], GAN], numbers: Any) -> GAN:
    """Players of which every member of a population has its own numbers.

    Args:
      build: makes a GAN of one member's numbers. It is called while functions are traced, then with traced scalars, so
        that the networks and the kinds of optimiser and penalty must not depend on them.
      numbers: a pytree of arrays `[N, …]`, a row a member, such as
        `{"learning_rate": [1e-4, 3e-4, 1e-3], "gamma": [0.1, 1.0, 10.0]}`.

    Returns:
      A GAN whose states carry their numbers; `init` gives those of the first member. `training.train` gives each of
      N `seeds` its own.

    Raises:
      ConfigError: where the arrays do not have one first axis in common; and what `build` raises.
    """
    numbers = jax.tree.map(jnp.asarray, numbers, is_leaf=lambda x: isinstance(x, list | tuple))
    lengths = {x.shape[:1] for x in jax.tree.leaves(numbers)}
    if len(lengths) != 1 or lengths <= {(), (0,)}:
        raise ConfigError(f"numbers have first axes {sorted(lengths)}, expected one length, a row a member")
    first = jax.tree.map(lambda x: x[0], numbers)
    players = build(first)

    def own(name):
        return jax.jit(lambda state, *batch: getattr(build(state.numbers), name)(state, *batch))

    def sample(state, key, num, condition=None):
        return build(state.numbers).sample(state, key, num, condition)

    return players._replace(
        init=jax.jit(lambda *example: players.init(*example).replace(numbers=first)),
        d_step=own("d_step"),
        g_step=own("g_step"),
        step=own("step"),
        sample=jax.jit(sample, static_argnames="num"),
        numbers=numbers,
    )
