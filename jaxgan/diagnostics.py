"""What the recorded curves of a training say, and what to try."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np


class Finding(NamedTuple):
    """Something that the curves say.

    Attributes:
      name: of the condition, such as `"mode collapse"`.
      seen: the figures and steps it is read from.
      means: what it likely means.
      advice: what to try.
    """

    name: str
    seen: str
    means: str
    advice: Sequence[str]


def diagnose(history: dict[str, np.ndarray], probes: dict[str, np.ndarray]) -> list[Finding]:
    """What is wrong with a training; empty where it looks healthy.

    Args:
      history: the columns of metrics.jsonl, `[steps]` each.
      probes: the columns of probes.jsonl, as `probes.sample_probe` records them.
    """
    del history, probes
    return []
