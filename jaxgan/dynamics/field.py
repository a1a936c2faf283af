"""Vector fields: the gradients of a GAN, consensus optimization, and Adam's preconditioner.

A field is a function `params -> grads`, from a pytree to one of the same structure. For a GAN,
`params` is `(d_params, g_params)`. The other modules of this package take any field.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jaxgan._checks import check_number
from jaxgan.errors import ConfigError
from jaxgan.gan import GAN, FieldTransform
from jaxgan.states import GANState

Field = Callable[[Any], Any]


def make_gan_field(
    gan: GAN,
    state: GANState,
    real: jax.Array,
    key: jax.Array,
    condition: jax.typing.ArrayLike | None = None,
) -> tuple[Field, Any]:
    """Returns the vector field of a GAN on one batch, and the parameters of a state.

    The batch and the key are fixed, so the field is a deterministic function of the parameters. Its
    Jacobian is that of the losses on this batch, which approximates the expectation if the batch is
    large.

    Args:
      gan: The GAN.
      state: The state whose parameters are returned; its other variables, such as batch statistics,
        are held constant.
      real: `[B, …]`, see `GAN`.
      key: A typed PRNG key, which is consumed; see `GAN`.
      condition: None or `[B, …]`, see `GAN`.

    Returns:
      `(field_fn, params)`: `field_fn` maps `(d_params, g_params)` to `(d_grads, g_grads)` by
      `GAN.vector_field`; `params` are those of `state`.
    """

    def field_fn(params):
        d_params, g_params = params
        d, g = state.d.replace(params=d_params), state.g.replace(params=g_params)
        return gan.vector_field(state.replace(d=d, g=g), real, key, condition)

    return field_fn, (state.d.params, state.g.params)


def consensus(gamma: float | jax.Array) -> FieldTransform:
    """Consensus optimization: F + gamma · Jᵀ F, a `field_transform` of `make_gan`.

    The added term is the gradient of gamma/2 · |F|², so both networks also descend the squared norm
    of both gradients. At a stationary point, where F = 0, the Jacobian becomes J + gamma · JᵀJ,
    which damps rotation. A large gamma also attracts training to stationary points that gradient
    descent leaves, such as maxima of a loss, because |F|² is 0 at all of them.

    Args:
      gamma: Weight, at least 0; may be traced.

    Returns:
      `(field_fn, params) -> (grads, aux)`; see `make_gan`.

    Raises:
      ConfigError: If `gamma` is below 0.

    References:
      Mescheder et al. 2017, section 4.
    """
    check_number("gamma", gamma, 0)

    def transform(field_fn, params):
        grads, vjp_fn, aux = jax.vjp(field_fn, params, has_aux=True)
        (correction,) = vjp_fn(grads)
        return jax.tree.map(lambda g, c: g + gamma * c, grads, correction), aux

    return transform


def adam_preconditioner(opt_state: Any, b2: float, eps: float = 1e-8) -> Any:
    """Returns the factors 1 / (√v̂ + eps) by which Adam or RMSprop multiplies the gradient.

    The factors change slowly. With fixed factors, Adam is gradient descent with momentum on a field
    whose Jacobian has its rows multiplied by them; see `precondition`.

    Args:
      opt_state: Optimizer state of a network, with the second moments of Adam or RMSprop.
      b2: Decay of the second moment, in [0, 1), used for Adam's bias correction only.
      eps: Epsilon of the optimizer, added outside the square root, as optax.adam and
        `jaxgan.optimizers.rmsprop` do; optax.rmsprop adds it inside by default.

    Returns:
      A pytree like the parameters of the network.

    Raises:
      ConfigError: If the optimizer has no second moments.

    References:
      Kingma and Ba 2015, algorithm 1; Cohen et al. 2022, "Adaptive gradient methods at the edge of
      stability" (the preconditioned Hessian of a minimization).
    """
    parts = jax.tree.leaves(opt_state, is_leaf=has_second_moments)
    found = next((part for part in parts if has_second_moments(part)), None)
    if found is None:
        raise ConfigError(
            "the optimizer state has no second moments, expected the state of optax.adam, "
            "optax.rmsprop or a chain that contains one of them; analyze other optimizers without "
            "a preconditioner"
        )
    correction = jnp.ones(())
    if isinstance(found, optax.ScaleByAdamState):
        correction = 1 - b2 ** jnp.maximum(found.count, 1).astype(jnp.float32)
    return jax.tree.map(lambda nu: 1 / (jnp.sqrt(nu / correction) + eps), found.nu)


def has_second_moments(part: Any) -> bool:
    """Returns whether a part of an optimizer state is that of Adam or RMSprop."""
    return isinstance(part, optax.ScaleByAdamState | optax.ScaleByRmsState)
