"""The training state: immutable pytrees that contain only arrays."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct


class NetworkState(struct.PyTreeNode):
    """State of one network and its optimizer.

    Attributes:
      step: int32 scalar, number of updates of this network.
      params: The Linen collection `"params"`, a pytree of arrays.
      model_state: Every other Linen collection by name, such as `{"batch_stats": …}`; `{}` if the
        module has none.
      opt_state: The optax state for `params`.
    """

    step: jax.Array
    params: Any
    model_state: dict[str, Any]
    opt_state: optax.OptState

    @property
    def variables(self) -> dict[str, Any]:
        """All Linen collections: the first argument of `Module.apply`."""
        return {"params": self.params, **self.model_state}

    def apply_gradients(
        self,
        tx: optax.GradientTransformation,
        grads: Any,
        model_state: dict[str, Any],
        origin: "NetworkState | None" = None,
    ) -> "NetworkState":
        """Returns the state after one optimizer update.

        Args:
          tx: The optimizer that made `opt_state`.
          grads: Gradients, a pytree like `params`.
          model_state: The new `model_state`.
          origin: The state whose parameters are updated, by an update that is computed from the
            `opt_state` of this one; None for this one.

        Returns:
          The new state, with the `step` of `origin` increased by 1.
        """
        origin = self if origin is None else origin
        updates, opt_state = tx.update(grads, self.opt_state, origin.params)
        params = optax.apply_updates(origin.params, updates)
        return NetworkState(origin.step + 1, params, model_state, opt_state)


class GANState(struct.PyTreeNode):
    """State of a GAN.

    Attributes:
      d: The discriminator D, or critic.
      g: The generator G.
      g_ema: Exponential moving average of G's variables, at least float32; None if not kept.
      hyperparams: The hyperparameters of this member of a population, see `make_population`; None
        for a single GAN.
    """

    d: NetworkState
    g: NetworkState
    g_ema: dict[str, Any] | None = None
    hyperparams: Any = None


def at_least_float32(tree: Any) -> Any:
    """Casts float16 and bfloat16 arrays of a pytree to float32; leaves other arrays unchanged."""

    def cast(x):
        if not jnp.issubdtype(x.dtype, jnp.floating):
            return x
        return x.astype(jnp.promote_types(x.dtype, jnp.float32))

    return jax.tree.map(cast, tree)


def update_ema(ema: Any, new: Any, decay: jax.typing.ArrayLike) -> Any:
    """Returns `decay * ema + (1 - decay) * new` for each floating-point array of a pytree.

    Other arrays, such as counters, are taken from `new`.

    Args:
      ema: The current average.
      new: The new values, a pytree like `ema`.
      decay: Weight of the current average, in [0, 1].

    Returns:
      The updated average, a pytree like `ema`.
    """

    def update(old, new):
        # This form of the equation keeps the average exactly constant if old == new.
        return old + (1 - decay) * (new - old) if jnp.issubdtype(old.dtype, jnp.inexact) else new

    return jax.tree.map(update, ema, new)
