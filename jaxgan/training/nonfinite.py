"""Handling of losses and gradients that are not finite: skips the update, or stops the run."""

from collections import Counter
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.gan import GAN, jit_steps
from jaxgan.states import GANState

MAX_CONSECUTIVE_SKIPS = 20
ADVICE = {
    "stop": "The same command would stop at the same step. Skip such updates "
    '(on_nonfinite="skip", or --on-nonfinite skip), or '
    "start over (--overwrite, or another --workdir) with a lower learning rate or another loss.",
    "skip": f"More than {MAX_CONSECUTIVE_SKIPS} train steps in a row were skipped. Start over "
    "(--overwrite, or another --workdir) with a lower learning rate or another loss.",
}
# In the order of computation: the first that is not finite is closest to the cause.
METRIC_ORDER = ("real_logits", "fake_logits", "loss", "penalty", "grad_norm")


def skip_nonfinite_updates(gan: GAN) -> GAN:
    """Returns a GAN that skips the updates whose loss or gradient is not finite.

    A skipped update leaves the `NetworkState` of the network unchanged; for the generator, also its
    moving average. The metrics are those of the skipped update.
    """

    def d_step(state, real, key, condition=None, origin=None):
        updated, metrics = gan.d_step(state, real, key, condition, origin)
        before = state if origin is None else origin
        return select_d(before, updated, metrics["finite"]), metrics

    def g_step(state, real, key, condition=None, origin=None):
        updated, metrics = gan.g_step(state, real, key, condition, origin)
        before = state if origin is None else origin
        return select_g(before, updated, metrics["finite"]), metrics

    def step(state, real, key, condition=None, simultaneous=False, origin=None):
        updated, metrics = gan.step(state, real, key, condition, simultaneous, origin)
        before = state if origin is None else origin
        d = select_d(before, updated, metrics["d"]["finite"]).d
        return select_g(before, updated, metrics["g"]["finite"]).replace(d=d), metrics

    return gan._replace(**jit_steps(d_step, g_step, step))


def select_d(state: GANState, updated: GANState, finite: jax.Array) -> GANState:
    """Returns the state with D from `updated` if finite, else unchanged."""
    return state.replace(d=tree_where(finite, updated.d, state.d))


def select_g(state: GANState, updated: GANState, finite: jax.Array) -> GANState:
    """Returns the state with G and its average from `updated` if finite, else unchanged."""
    g, g_ema = tree_where(finite, (updated.g, updated.g_ema), (state.g, state.g_ema))
    return state.replace(g=g, g_ema=g_ema)


def tree_where(condition: jax.Array, x: Any, y: Any) -> Any:
    """Returns pytree `x` if the scalar `condition` is true, else `y`."""
    return jax.tree.map(partial(jnp.where, condition), x, y)


class Failure(NamedTuple):
    """The train step that exceeds the allowed number of consecutive non-finite train steps.

    Attributes:
      step: Number of the train step, from 1.
      networks: Which of "d" and "g" failed.
      row: Metrics of the train step.
    """

    step: int
    networks: list[str]
    row: dict[str, Any]


class NonfiniteCounter:
    """Counts the consecutive train steps in which a network's loss or gradient is not finite."""

    def __init__(self, limit: int):
        """Allows up to `limit` such steps in a row."""
        self._limit, self._counts = limit, Counter()

    def first_failure(self, step: int, rows: list[dict[str, Any]]) -> Failure | None:
        """Counts the non-finite train steps in new rows of metrics, which follow step `step`.

        Returns:
          The first train step that exceeds the limit; None if none does.
        """
        for number, row in enumerate(rows, step + 1):
            for network in "dg":
                finite = row[f"{network}_finite"]
                self._counts[network] = 0 if finite else self._counts[network] + 1
            networks = [network for network in "dg" if self._counts[network] > self._limit]
            if networks:
                return Failure(number, networks, row)
        return None


def describe_nonfinite(row: dict[str, Any], state: GANState) -> str:
    """Describes which metrics of a train step and which arrays after it are not finite.

    Args:
      row: The metrics of the train step.
      state: The state after it.

    Returns:
      The first metric and the first array, with how many more there are.
    """
    names = (f"{network}_{name}" for network in "dg" for name in METRIC_ORDER)
    metrics = [name for name in names if name in row and not np.isfinite(row[name])]
    leaves = jax.tree_util.tree_leaves_with_path(state)
    arrays = [jax.tree_util.keystr(path) for path, x in leaves if not is_finite(x)]
    return ", ".join(
        found[0] if len(found) == 1 else f"{found[0]} and {len(found) - 1} more {kind}"
        for kind, found in (("metrics", metrics), ("arrays", arrays))
        if found
    )


def failure_message(
    failure: Failure, found: str, on_nonfinite: Literal["stop", "skip"], saved: list[int]
) -> str:
    """Returns the message of the TrainingError that stops a run.

    Args:
      failure: The train step at which the run stops.
      found: The return value of `describe_nonfinite`.
      on_nonfinite: See `LoopOptions`.
      saved: Train steps that have a checkpoint.
    """
    checkpoint = (
        f"The latest checkpoint is of step {max(saved)}" if saved else "No checkpoint was saved"
    )
    names = {"d": "the discriminator", "g": "the generator"}
    networks = " and ".join(names[network] for network in failure.networks)
    return (
        f"step {failure.step}: the loss or gradient of {networks} is not finite. Not finite are "
        f"{found}. {ADVICE[on_nonfinite]} {checkpoint}"
    )


def is_finite(x: jax.Array) -> bool:
    """Returns whether all entries of an array are finite."""
    return not jnp.issubdtype(x.dtype, jnp.inexact) or bool(jnp.isfinite(x).all())
