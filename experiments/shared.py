"""Functions that several studies share: the protocol of a comparison, and runs of experiments."""

import json
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from jaxgan import GAN, GANState
from jaxgan._io import write_atomic
from jaxgan.data.sources import Source
from jaxgan.errors import ConfigError, TrainingError
from jaxgan.runs.console import print_line, progress_reporter
from jaxgan.training import Callbacks, TrainOptions, train


def write_protocol(workdir: Path, protocol: dict[str, Any]) -> None:
    """Records the settings on which the results of a comparison depend in protocol.json.

    Args:
      workdir: Directory of the comparison.
      protocol: JSON-serializable settings by name.

    Raises:
      ConfigError: If the workdir contains a comparison with other settings.
    """
    path = workdir / "protocol.json"
    recorded = json.loads(path.read_text()) if path.exists() else protocol
    changed = [name for name in protocol if recorded.get(name) != protocol[name]]
    if changed:
        raise ConfigError(
            f"{workdir} contains a comparison with other values of {', '.join(changed)}; "
            "use another --workdir"
        )
    write_atomic(path, json.dumps(protocol).encode())


def train_or_exit(gan: GAN, source: Source, workdir: Path, options: TrainOptions) -> GANState:
    """Trains, or resumes, and shows progress; returns the final state.

    Exits with status 130 if the run is stopped before its last train step.
    """
    with progress_reporter() as report_progress:
        state, step = train(gan, source, workdir, options, Callbacks(progress=report_progress))
    if step < options.steps:
        print_line(
            f"{workdir.name} stopped at step {step:,} of {options.steps:,}. "
            "Run the same command to resume."
        )
        sys.exit(130)
    return state


def run_experiment(name: str, module: str, options: Sequence[str]) -> None:
    """Runs the command of an experiment in a process of its own.

    Args:
      name: Names the run in the message of the error.
      module: Name of the module, such as `"experiments.mnist_mlp"`.
      options: Arguments of its command line.

    Raises:
      TrainingError: If the process fails.
    """
    process = subprocess.run([sys.executable, "-m", module, *options], check=False)
    if process.returncode:
        raise TrainingError(
            f"{name} exited with status {process.returncode}; fix the problem and run the same "
            "command again"
        )
