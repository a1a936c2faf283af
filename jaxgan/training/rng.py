"""The random streams of a run."""

from typing import Any, NamedTuple

import jax
import numpy as np


class RngStreams(NamedTuple):
    """The random streams of a run. With the step they determine all it draws.

    Attributes:
      init: the networks' first parameters.
      order: folded with the epoch, its order.
      batch: folded with the batch's number, what a source draws for it.
      play: folded with the train step, all that the players draw.
      sample: the fixed noise of the pictures.
      probe: the fixed noise of the probe.
      score: of what judges the trained GAN.
    """

    init: jax.Array
    order: jax.Array
    batch: jax.Array
    play: jax.Array
    sample: jax.Array
    probe: jax.Array
    score: jax.Array


def make_rng_streams(seed: Any, seeds: int | None = None) -> RngStreams:
    """The streams of a seed, or those of `seed`, `seed + 1`, … on a first axis, for so many GANs at once."""
    if seeds is not None:
        return jax.vmap(make_rng_streams)(np.arange(seed, seed + seeds, dtype=np.uint32))
    return RngStreams(*jax.random.split(jax.random.key(seed), len(RngStreams._fields)))
