"""Composes updates of the discriminator and the generator into one train step."""

from collections.abc import Callable
from operator import itemgetter
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp

from jaxgan._checks import check_integers
from jaxgan.errors import ConfigError, ShapeError
from jaxgan.gan import GAN

UpdateOrder = Literal["d_first", "g_first", "simultaneous", "extragradient"]


def make_train_step(
    gan: GAN,
    d_steps: int = 1,
    g_steps: int = 1,
    *,
    update_order: UpdateOrder = "d_first",
    share_noise: bool = True,
) -> Callable:
    """Returns a train step of `d_steps` discriminator and `g_steps` generator updates.

    Args:
      gan: The functions that the train step calls.
      d_steps: Discriminator updates per train step, at least 1, each on its own batch; 5 is usual
        for Wasserstein critics.
      g_steps: Generator updates per train step, at least 1, all on the last batch.
      update_order: The order of the updates:
        `"d_first"`: all discriminator updates, then all generator updates.
        `"g_first"`: all generator updates, then all discriminator updates.
        `"simultaneous"`: like `"d_first"`, but the last discriminator update and the first
        generator update start from the same state, so neither sees the other's result.
        `"extragradient"`: a simultaneous update of both networks extrapolates to a second state.
        The gradients there, with the optimizers' states after the extrapolation, update the first
        state. `g_steps` must be 1. `d_steps` is the number of batches: with 1, both evaluations use
        the same batch and the same z; with 2, the second evaluation has its own.
      share_noise: Whether the first generator update uses the latent vectors z of the last
        discriminator update, as is usual in tutorials.

    Returns:
      `(state, real, key, condition=None) -> (state, {"d": metrics, "g": metrics})`, with `real`
      `[d_steps, B, …]` and `condition` None or `[d_steps, B, …]`. The function is pure and not
      jit-compiled; it raises ShapeError if it is not given `d_steps` batches. The metrics are those
      of each network's last update. Discriminator update i uses the key `fold_in(key, i)`.
      Generator updates continue the count: update j uses `fold_in(key, d_steps + j)`, or
      `fold_in(key, d_steps - 1 + j)` with `share_noise`.

    Raises:
      ConfigError: If `d_steps` or `g_steps` is not an integer of at least 1, `update_order` is not
        one of the above, or these numbers do not fit `"extragradient"`.

    References:
      Goodfellow et al. 2014, algorithm 1 (`"d_first"`); Korpelevich 1976 and Gidel et al. 2019a,
      algorithm 4 (`"extragradient"`); Mishchenko et al. 2020 (with the same batch).
    """
    check_integers(d_steps=d_steps, g_steps=g_steps)
    if d_steps < 1 or g_steps < 1:
        raise ConfigError(
            f"d_steps is {d_steps} and g_steps is {g_steps}, expected at least 1 of each"
        )
    if update_order not in get_args(UpdateOrder):
        raise ConfigError(
            f"update_order is {update_order!r}, expected one of {', '.join(get_args(UpdateOrder))}"
        )
    if update_order == "extragradient" and (d_steps > 2 or g_steps > 1):
        raise ConfigError(
            f"d_steps is {d_steps} and g_steps is {g_steps} with update_order extragradient, "
            "expected d_steps 1 (one batch for both evaluations) or 2 (a batch for each), and "
            "g_steps 1"
        )

    # Each update is (d_index, g_index): the number folded into its key, or None for a network that
    # is not updated. An update with both starts them from one state or one forward pass of G.
    d_indices = range(d_steps)
    g_start = d_steps - share_noise
    g_indices = range(g_start, g_start + g_steps)
    d_updates = [(d_index, None) for d_index in d_indices]
    g_updates = [(None, g_index) for g_index in g_indices]
    if update_order == "extragradient":
        updates = [(i, i if share_noise else d_steps + i) for i in (0, d_steps - 1)]
    elif update_order == "simultaneous" or (update_order == "d_first" and share_noise):
        updates = [*d_updates[:-1], (d_indices[-1], g_indices[0]), *g_updates[1:]]
    elif update_order == "d_first":
        updates = d_updates + g_updates
    else:
        updates = g_updates + d_updates

    def train_step(state, real, key, condition=None):
        check_num_batches("real", real, d_steps)
        check_num_batches("condition", condition, d_steps)

        def step_args(key_index, batch_index):
            real_batch, condition_batch = jax.tree.map(itemgetter(batch_index), (real, condition))
            return real_batch, jax.random.fold_in(key, key_index), condition_batch

        def update_both(state, d_index, g_index, origin=None):
            if share_noise:
                # Both updates use the same z, so one forward pass of G is enough.
                return gan.step(
                    state,
                    *step_args(d_index, d_index),
                    simultaneous=update_order != "d_first",
                    origin=origin,
                )
            d_updated, d_metrics = gan.d_step(state, *step_args(d_index, d_index), origin=origin)
            g_updated, g_metrics = gan.g_step(state, *step_args(g_index, d_index), origin=origin)
            return g_updated.replace(d=d_updated.d), {"d": d_metrics, "g": g_metrics}

        if update_order == "extragradient":
            extrapolated, _ = update_both(state, *updates[0])
            return update_both(extrapolated, *updates[1], origin=state)
        metrics = {}
        for d_index, g_index in updates:
            if g_index is None:
                state, metrics["d"] = gan.d_step(state, *step_args(d_index, d_index))
            elif d_index is None:
                state, metrics["g"] = gan.g_step(state, *step_args(g_index, -1))
            else:
                state, metrics = update_both(state, d_index, g_index)
        return state, metrics

    return train_step


def check_num_batches(name: str, batches: Any, num: int) -> None:
    """Raises ShapeError if an argument of a train step does not contain `num` batches.

    JAX would replace an index that is out of range by the last one.
    """
    shape = None if batches is None else list(jnp.shape(batches))
    if shape is not None and shape[:1] != [num]:
        raise ShapeError(
            f"{name} has shape {shape}, expected [{num}, B, …], one batch for each of the d_steps; "
            "stack the batches on a new first axis"
        )
