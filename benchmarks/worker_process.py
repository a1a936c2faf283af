"""Subprocesses that run the workers of a comparison."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from jaxgan.errors import TrainingError

FRAMEWORKS = ("jaxgan", "PyTorch", "PyTorch compiled")
FIRST_STEPS = 10  # train steps at whose end a process counts as started


class WorkerProcess:
    """A subprocess with a worker, idle until it is sent a command.

    Args:
      framework: One of `FRAMEWORKS`. PyTorch runs in the Python that the environment variable
        PYTORCH names, by default in this one.
      name: Key of `SYSTEMS`.
      data_dir: Directory of the prepared data sets, for jaxgan.
      scratch: Directory of images.npy, for PyTorch.
      cache: Directory of the compilation cache.
    """

    def __init__(self, framework: str, name: str, data_dir: Path, scratch: Path, cache: Path):
        if framework == "jaxgan":
            python, module, folder = sys.executable, "benchmarks.jax_worker", data_dir
        else:
            python = os.environ.get("PYTORCH", sys.executable)
            module, folder = "benchmarks.torch_worker", scratch
        options = ["compile"] if framework == "PyTorch compiled" else []
        caches = {
            "JAX_COMPILATION_CACHE_DIR": str(cache),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
            "TORCHINDUCTOR_CACHE_DIR": str(cache),
        }
        self.title, self.start_time = f"{name} in {framework}", time.perf_counter()
        self.process = subprocess.Popen(
            [python, "-m", module, name, str(folder), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | caches,
        )

    def ask(self, *words: object) -> dict[str, float]:
        """Sends a command of `benchmarks.worker`, waits for it, and returns the answer.

        Raises:
          TrainingError: If the process has ended.
        """
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            print(*words, file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            raise TrainingError(
                f"{self.title} ended with status {self.process.wait()}; "
                "its own error message is printed above"
            )
        return json.loads(answer)

    def seconds_since_start(self) -> float:
        """Returns the seconds since the process was started."""
        return time.perf_counter() - self.start_time

    def close(self) -> None:
        """Closes the process's standard input, and waits until it has ended."""
        self.process.communicate()


@contextlib.contextmanager
def start_worker(*arguments) -> Iterator[WorkerProcess]:
    """Starts a `WorkerProcess`, and closes it at exit. Takes the arguments of the class."""
    process = WorkerProcess(*arguments)
    try:
        yield process
    finally:
        process.close()
