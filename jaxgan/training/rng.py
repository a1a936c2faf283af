"""The random keys of a run: one seed is split into streams, and every key is consumed once.

The path of the keys, from the seed to each random draw:

    jax.random.key(seed)
     └─ split ── init      gan.init, split: D's parameters, G's parameters, an example of z
              ├─ shuffle   fold_in(epoch)                   the order of the samples in that epoch
              ├─ batch     fold_in(step * d_steps + i)      what a source draws for its batch i
              ├─ step      fold_in(step)                    one train step
              │             └─ fold_in(j)                   its j-th update (`make_train_step`)
              │                 └─ split into G's forward pass (z, dropout), D's update (dropout,
              │                    penalty, augmentation) and G's update (dropout, augmentation)
              ├─ sample    z of the figures, the same in every figure
              ├─ probe     z of the probes, the same at every probe
              └─ eval      z of the evaluations, the same at every evaluation

`step` counts train steps from 0. A seed and a step therefore determine every draw, however often
the run was stopped and resumed. Member i of a population uses the streams of `seed + i`.
"""

from typing import Any, NamedTuple

import jax
import numpy as np


class RngStreams(NamedTuple):
    """The streams of a run: typed keys, each with a leading axis of members for a population.

    Attributes:
      init: Initializes the networks.
      shuffle: Orders the samples of an epoch; folded with the epoch.
      batch: Draws the batches of a source; folded with the number of the batch.
      step: Serves the updates of both networks; folded with the train step.
      sample: Fixed latent noise of the figures.
      probe: Fixed latent noise of the probes.
      eval: Fixed latent noise of the evaluations.
    """

    init: jax.Array
    shuffle: jax.Array
    batch: jax.Array
    step: jax.Array
    sample: jax.Array
    probe: jax.Array
    eval: jax.Array


def make_rng_streams(seed: Any, num_seeds: int | None = None) -> RngStreams:
    """Returns the streams of a seed.

    Args:
      seed: Integer from 0 to 2**32 - 1; may be traced.
      num_seeds: If given, the streams of `seed`, `seed + 1`, … are stacked on a leading axis of
        this length. None returns those of `seed`, without the axis.
    """
    if num_seeds is not None:
        return jax.vmap(make_rng_streams)(np.arange(seed, seed + num_seeds, dtype=np.uint32))
    return RngStreams(*jax.random.split(jax.random.key(seed), len(RngStreams._fields)))
