"""The order of play: how the two players' updates make one train step."""

from collections.abc import Callable
from operator import itemgetter
from typing import Literal, get_args

import jax

from jaxgan.errors import ConfigError
from jaxgan.gan import GAN

Order = Literal["d_first", "g_first", "simultaneous"]


def make_train_step(
    gan: GAN,
    d_steps: int = 1,
    g_steps: int = 1,
    *,
    order: Order = "d_first",
    share_noise: bool = True,
) -> Callable:
    """Some updates of D and some of G, as one train step.

    Args:
      gan: the players.
      d_steps: updates of D a train step, each against a batch of its own; 5 is usual for critics.
      g_steps: updates of G a train step, all against the last batch.
      order: `"d_first"`, all of D's updates before G's (Goodfellow et al. 2014, algorithm 1); `"g_first"`, after them;
        `"simultaneous"`, D first, but its last update and G's first move from the same state, neither seeing the
        other's.
      share_noise: whether G's first update plays the noise of D's last, as the tutorials do.

    Returns:
      `(state, real [d_steps, B, …], key, condition=None) -> (state, {"d": metrics, "g": metrics})`, pure and not
      jit-compiled, with the metrics of each player's last update. `condition` is None or `[d_steps, B, …]`. D's i-th
      update uses `fold_in(key, i)`, G's go on counting; the two that share their noise count as one.

    Raises:
      ConfigError: where a count is below 1, or the order is none of these.
    """
    if d_steps < 1 or g_steps < 1:
        raise ConfigError(
            f"d_steps is {d_steps} and g_steps is {g_steps}, expected at least 1 of each"
        )
    if order not in get_args(Order):
        raise ConfigError(f"order is {order!r}, expected one of {', '.join(get_args(Order))}")

    d_numbers = range(d_steps)
    g_numbers = range(d_steps - share_noise, d_steps - share_noise + g_steps)
    d_moves, g_moves = [(d, None) for d in d_numbers], [(None, g) for g in g_numbers]
    if order == "simultaneous" or (order == "d_first" and share_noise):
        moves = [*d_moves[:-1], (d_numbers[-1], g_numbers[0]), *g_moves[1:]]
    else:
        moves = d_moves + g_moves if order == "d_first" else g_moves + d_moves

    def train_step(state, real, key, condition=None):
        def arguments(number, batch):
            x, c = jax.tree.map(itemgetter(batch), (real, condition))
            return x, jax.random.fold_in(key, number), c

        metrics = {}
        for d, g in moves:
            if g is None:
                state, metrics["d"] = gan.d_step(state, *arguments(d, d))
            elif d is None:
                state, metrics["g"] = gan.g_step(state, *arguments(g, -1))
            elif share_noise:  # G's one forward pass serves both
                state, metrics = gan.step(
                    state, *arguments(d, d), simultaneous=order == "simultaneous"
                )
            else:
                d_moved, metrics["d"] = gan.d_step(state, *arguments(d, d))
                state, metrics["g"] = gan.g_step(state, *arguments(g, -1))
                state = state.replace(d=d_moved.d)
        return state, metrics

    return train_step
