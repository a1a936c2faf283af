"""The worker loop of both frameworks: trains on request and reports the elapsed time.

Every line of standard input is a command, and is answered by one line of JSON on standard output:

    train N         runs N train steps: {"seconds": …, "loss": last discriminator loss}
    sample N PATH   saves N samples in a .npy file: {}
    memory          {"peak_bytes": peak memory of the process}
"""

import json
import re
import sys
import time
from typing import Protocol

import numpy as np


class Worker(Protocol):
    """A system in training."""

    def train(self, steps: int) -> float:
        """Runs `steps` train steps; returns the last discriminator loss."""
        ...

    def sample(self, num: int) -> np.ndarray:
        """Returns samples `[num, …]`, in the value range of the data."""
        ...


def serve_commands(worker: Worker) -> None:
    """Executes commands from standard input until it is closed.

    Raises:
      ValueError: If a command is unknown.
    """
    for line in sys.stdin:
        match line.split():
            case ["train", steps]:
                start = time.perf_counter()
                loss = worker.train(int(steps))
                answer = {"seconds": time.perf_counter() - start, "loss": loss}
            case ["sample", num, path]:
                np.save(path, worker.sample(int(num)))
                answer = {}
            case ["memory"]:
                answer = {"peak_bytes": peak_memory()}
            case _:
                raise ValueError(
                    f"unknown command {line!r}, expected train N, sample N PATH or memory"
                )
        print(json.dumps(answer), flush=True)


def peak_memory() -> int:
    """Returns the peak resident memory of this process, in bytes.

    Read from Linux's /proc, because getrusage also counts the memory that the parent process held
    at the fork.
    """
    with open("/proc/self/status") as lines:
        return 1024 * int(re.search(r"VmHWM:\s+(\d+) kB", lines.read())[1])
