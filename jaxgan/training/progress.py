"""TODO."""

from typing import NamedTuple


class Progress(NamedTuple):
    """How far a run is.

    Attributes:
      step: train steps done.
      steps: train steps in all.
      steps_per_epoch: train steps that make an epoch.
      steps_per_second: over the last block.
      metrics: the last train step's, by name: `{"d_loss": …, "g_loss": …}`.
      scores: the last that there are, by name.
    """

    step: int
    steps: int
    steps_per_epoch: int
    steps_per_second: float
    metrics: dict[str, float]
    scores: dict[str, float]
