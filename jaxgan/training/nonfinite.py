"""What is to happen where a loss or a gradient is not finite."""

from collections import Counter
from functools import partial
from typing import Any, Literal

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.gan import GAN, jit_steps
from jaxgan.states import GANState

MAX_CONSECUTIVE_SKIPS = 20
OnNan = Literal["stop", "skip"]
ADVICE = {
    "stop": "Going on would end in the same way: leave such steps out (--on-nan skip), or start anew (--overwrite, or "
    "another --workdir) with a lower learning rate or another loss.",
    "skip": f"That were more than {MAX_CONSECUTIVE_SKIPS} train steps in a row: start anew (--overwrite, or another "
    "--workdir) with a lower learning rate or another loss.",
}
METRIC_ORDER = ("real_logits", "fake_logits", "loss", "penalty", "grad_norm")


def skip_nonfinite_updates(gan: GAN) -> GAN:
    """The same players, but an update whose loss or gradient is not finite is left out.

    The whole NetworkState of the player stays as it was, and so does the average with the generator's. The metrics are
    those of the update that was left out.
    """

    def d_step(state, real, key, condition=None):
        moved, metrics = gan.d_step(state, real, key, condition)
        return state.replace(d=tree_where(metrics["finite"], moved.d, state.d)), metrics

    def g_step(state, real, key, condition=None):
        moved, metrics = gan.g_step(state, real, key, condition)
        return select_g(state, moved, metrics["finite"]), metrics

    def step(state, real, key, condition=None, simultaneous=False):
        moved, metrics = gan.step(state, real, key, condition, simultaneous)
        d = tree_where(metrics["d"]["finite"], moved.d, state.d)
        return select_g(state, moved, metrics["g"]["finite"]).replace(d=d), metrics

    return gan._replace(**jit_steps(d_step, g_step, step))


def select_g(state: GANState, moved: GANState, finite: jax.Array) -> GANState:
    """The state, with what an update of G has moved where that is finite."""
    g, average = tree_where(finite, (moved.g, moved.g_ema), (state.g, state.g_ema))
    return state.replace(g=g, g_ema=average)


def tree_where(finite: jax.Array, moved: Any, before: Any) -> Any:
    """The one pytree or the other."""
    return jax.tree.map(partial(jnp.where, finite), moved, before)


class NonfiniteCounter:
    """Counts how many train steps in a row a player has not been finite."""

    def __init__(self, most: int):
        self._most, self._rows = most, Counter()

    def lost(self, lines: list[dict[str, Any]]) -> tuple[int, list[str]] | None:
        """The first of the new lines at which there were more than `most` of them in a row, and the players."""
        for i, line in enumerate(lines):
            for player in "dg":
                self._rows[player] = 0 if line[f"{player}_finite"] else self._rows[player] + 1
            players = [player for player in "dg" if self._rows[player] > self._most]
            if players:
                return i, players
        return None


def find_nonfinite(line: dict[str, Any], state: GANState) -> str:
    """The first number of a train step's metrics that is not finite, and the first of the arrays it has left."""
    computed = (f"{player}_{name}" for player in "dg" for name in METRIC_ORDER)
    numbers = [name for name in computed if name in line and not np.isfinite(line[name])]
    arrays = [
        jax.tree_util.keystr(p)
        for p, x in jax.tree_util.tree_leaves_with_path(state)
        if not is_finite(x)
    ]
    found = (("metrics", numbers), ("arrays", arrays))
    return ", ".join(
        f"{names[0]} and {len(names) - 1} more {kind}" for kind, names in found if names
    )


def failure_message(
    step: int, players: list[str], found: str, on_nan: OnNan, saved: list[int]
) -> str:
    """At which train step a run ends because of whom and what, what may help, and what is saved."""
    newest = f"The newest checkpoint is from step {max(saved)}" if saved else "Nothing is saved yet"
    who = " and ".join(players)
    return f"step {step}: the loss or the gradient of {who} is not finite; first {found}. {ADVICE[on_nan]} {newest}"


def is_finite(x: jax.Array) -> bool:
    """Whether all numbers of an array are."""
    return not jnp.issubdtype(x.dtype, jnp.inexact) or bool(jnp.isfinite(x).all())
