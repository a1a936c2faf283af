"""What training changes: immutable pytrees of arrays, and nothing else."""

from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import struct


class NetworkState(struct.PyTreeNode):
    """One player.

    Attributes:
      step: int32 scalar, how often this player has been updated.
      params: the Linen collection of that name, a pytree of arrays.
      model_state: every other Linen collection by its name, such as `{"batch_stats": …}`; `{}` where there is none.
      opt_state: what optax keeps for `params`.
    """

    step: jax.Array
    params: Any
    model_state: dict[str, Any]
    opt_state: optax.OptState

    @property
    def variables(self) -> dict[str, Any]:
        """What Linen's `apply` takes."""
        return {"params": self.params, **self.model_state}

    def apply_gradients(
        self, tx: optax.GradientTransformation, grads: Any, model_state: dict[str, Any]
    ) -> "NetworkState":
        """The state after one update by `grads`, a pytree like `params`."""
        updates, opt_state = tx.update(grads, self.opt_state, self.params)
        params = optax.apply_updates(self.params, updates)
        return NetworkState(self.step + 1, params, model_state, opt_state)


class GANState(struct.PyTreeNode):
    """Both players.

    Attributes:
      d: the discriminator, or critic.
      g: the generator.
      g_ema: the moving average of the generator's variables, at least float32; None where none is kept.
      numbers: what `vary` makes the players of; None where they are always the same.
    """

    d: NetworkState
    g: NetworkState
    g_ema: dict[str, Any] | None = None
    hyperparams: Any = None


def at_least_float32(tree: Any) -> Any:
    """Casts the float16 and bfloat16 arrays of a pytree to float32; leaves all others as they are."""

    def cast(x):
        return (
            x.astype(jnp.promote_types(x.dtype, jnp.float32))
            if jnp.issubdtype(x.dtype, jnp.floating)
            else x
        )

    return jax.tree.map(cast, tree)


def update_ema(average: Any, newest: Any, decay: jax.typing.ArrayLike) -> Any:
    """`decay * average + (1 - decay) * newest` for floating arrays; the newest of any others, such as counters."""

    def move(old, new):
        return old + (1 - decay) * (new - old) if jnp.issubdtype(old.dtype, jnp.inexact) else new

    return jax.tree.map(move, average, newest)
