"""The order of play: how the two players' updates make one train step."""

from collections.abc import Callable
from operator import itemgetter

import jax

from jaxgan.errors import ConfigError
from jaxgan.gan import GAN


def alternate(gan: GAN, d_steps: int = 1, g_steps: int = 1, *, share_noise: bool = True) -> Callable:
    """`d_steps` updates of D, then `g_steps` of G, as one train step (Goodfellow et al. 2014, algorithm 1).

    Args:
      gan: the players.
      d_steps: updates of D a train step, each against a batch of its own; 5 is usual for critics.
      g_steps: updates of G a train step, all against the last batch.
      share_noise: whether G's first update plays the noise of D's last, as the tutorials do; then the two share one
        forward pass of G.

    Returns:
      `(state, real [d_steps, B, …], key, condition=None) -> (state, {"d": metrics, "g": metrics})`, pure and not
      jit-compiled, with the metrics of each player's last update. `condition` is None or `[d_steps, B, …]`. The i-th
      update uses `fold_in(key, i)`; the two that share their noise count as one.

    Raises:
      ConfigError: where a count is below 1.
    """
    if d_steps < 1 or g_steps < 1:
        raise ConfigError(f"d_steps is {d_steps} and g_steps is {g_steps}, expected at least 1 of each")
    turns = ["d"] * (d_steps - share_noise) + ["both"] * share_noise + ["g"] * (g_steps - share_noise)

    def train_step(state, real, key, condition=None):
        metrics = {}
        for turn, player in enumerate(turns):
            x, c = jax.tree.map(itemgetter(min(turn, d_steps - 1)), (real, condition))
            turn_key = jax.random.fold_in(key, turn)
            if player == "both":
                state, metrics = gan.step(state, x, turn_key, c)
            else:
                play = gan.d_step if player == "d" else gan.g_step
                state, metrics[player] = play(state, x, turn_key, c)
        return state, metrics

    return train_step
