"""Populations of GANs that differ in hyperparameters, such as learning rates."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp

from jaxgan.errors import ConfigError
from jaxgan.gan import GAN, jit_steps


def make_population(build_fn: Callable[[Any], GAN], hyperparams: Any) -> GAN:
    """Builds a GAN whose state carries the hyperparameters of one member of a population.

    The members are trained together in one program: `training.train` gives each of its N seeds one
    row of `hyperparams`.

    Example:
      def build_fn(hyperparams):
          tx = optimizers.adam(hyperparams["learning_rate"])
          penalty = penalties.r1(hyperparams["gamma"])
          return make_gan(generator, discriminator, loss, tx, tx, prior, penalty=penalty)

      hyperparams = {"learning_rate": [1e-4, 3e-4, 1e-3], "gamma": [0.1, 1.0, 10.0]}
      gan = make_population(build_fn, hyperparams)

    Args:
      build_fn: `hyperparams -> GAN`, for one member. It is called whenever a step is traced, with
        traced scalars, so the networks, the prior and the choice of optimizers and penalty must not
        depend on the values.
      hyperparams: A pytree of arrays or lists, `[N, …]` each, with one row per member.

    Returns:
      A GAN whose `GANState.hyperparams` are those of one member. `init` sets them to those of the
      first member.

    Raises:
      ConfigError: If the first axes of the arrays differ in length, or are missing or empty.
      JaxganError: If `build_fn` raises it.
    """
    hyperparams = jax.tree.map(jnp.asarray, hyperparams, is_leaf=lambda x: isinstance(x, list))
    first_axes = {x.shape[:1] for x in jax.tree.leaves(hyperparams)}
    if len(first_axes) != 1 or first_axes <= {(), (0,)}:
        raise ConfigError(
            f"hyperparams have first axes {sorted(first_axes)}, expected one length of at least 1; "
            "give each array one row per member"
        )
    first_member = jax.tree.map(lambda x: x[0], hyperparams)
    gan = build_fn(first_member)

    def init(key, real, condition=None):
        return gan.init(key, real, condition).replace(hyperparams=first_member)

    def d_step(state, real, key, condition=None, origin=None):
        return build_fn(state.hyperparams).d_step(state, real, key, condition, origin)

    def g_step(state, real, key, condition=None, origin=None):
        return build_fn(state.hyperparams).g_step(state, real, key, condition, origin)

    def step(state, real, key, condition=None, simultaneous=False, origin=None):
        member = build_fn(state.hyperparams)
        return member.step(state, real, key, condition, simultaneous, origin)

    def vector_field(state, real, key, condition=None):
        return build_fn(state.hyperparams).vector_field(state, real, key, condition)

    return gan._replace(
        init=jax.jit(init),
        **jit_steps(d_step, g_step, step),
        vector_field=jax.jit(vector_field),
        hyperparams=hyperparams,
    )
