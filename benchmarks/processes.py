"""Both sides of a comparison, each in a process of its own."""

import contextlib
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

from jaxgan.errors import TrainingError

SIDES = ("jaxgan", "PyTorch", "PyTorch compiled")
FIRST_STEPS = 10


class Process:
    """A side in its process."""

    def __init__(self, side: str, name: str, data_dir: Path, scratch: Path, cache: Path):
        ours = side == "jaxgan"
        python = sys.executable if ours else os.environ.get("PYTORCH", sys.executable)
        module, folder = (
            ("benchmarks.jax_side", data_dir) if ours else ("benchmarks.torch_side", scratch)
        )
        compiled = ["compile"] if side == "PyTorch compiled" else []
        settings = {
            "JAX_COMPILATION_CACHE_DIR": str(cache),
            "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        }
        settings |= {"TORCHINDUCTOR_CACHE_DIR": str(cache)}
        self.name, self.began = f"{name} in {side}", time.perf_counter()
        self.process = subprocess.Popen(
            [python, "-m", module, name, str(folder), *compiled],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | settings,
        )

    def ask(self, *words: object) -> dict[str, float]:
        """The answer to a command."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            print(*words, file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            raise TrainingError(
                f"{self.name} ended with status {self.process.wait()}; its complaint is above"
            )
        return json.loads(answer)

    def since_start(self) -> float:
        """Seconds."""
        return time.perf_counter() - self.began

    def end(self) -> None:
        """Waits until it has ended."""
        self.process.communicate()


@contextlib.contextmanager
def started(*arguments) -> Iterator[Process]:
    """A side in its process, which is over when this is."""
    process = Process(*arguments)
    try:
        yield process
    finally:
        process.end()
