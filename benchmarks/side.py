"""What both sides of a comparison do in their processes: train on demand, and say how long that took.

Every line of standard input is a command, answered by a line of JSON: `train N` by the seconds and the last loss of D,
`sample N PATH` once the samples are in a .npy file, `memory` by the most bytes the process has held so far.
"""

import json
import re
import sys
import time
from typing import Protocol

import numpy as np


class Trainer(Protocol):
    """A side."""

    def train(self, steps: int) -> float:
        """Goes on for so many train steps; the last loss of D."""
        ...

    def sample(self, num: int) -> np.ndarray:
        """`[num, …]`, in the range of the data."""
        ...


def serve(side: Trainer) -> None:
    """Does what standard input says, until it ends."""
    for line in sys.stdin:
        match line.split():
            case ["train", steps]:
                began = time.perf_counter()
                loss = side.train(int(steps))
                answer = {"seconds": time.perf_counter() - began, "loss": loss}
            case ["sample", num, path]:
                np.save(path, side.sample(int(num)))
                answer = {}
            case ["memory"]:
                answer = {"bytes": peak_memory()}
            case _:
                raise ValueError(f"unknown command {line!r}")
        print(json.dumps(answer), flush=True)


def peak_memory() -> int:
    """Bytes. From Linux's own account of the process, because getrusage's counts what the parent held at the fork."""
    with open("/proc/self/status") as lines:
        return 1024 * int(re.search(r"VmHWM:\s+(\d+) kB", lines.read())[1])
