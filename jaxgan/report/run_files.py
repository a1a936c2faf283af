"""Reads the files of a run's directory for a report."""

import json
import os
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from jaxgan.errors import ConfigError, DataError
from jaxgan.training import metric_log
from jaxgan.training.config_file import read_config

MAX_ROWS = 20_000  # of a log; longer logs are subsampled


class RunFiles(NamedTuple):
    """The content of a run's directory that a report shows.

    Logs have at most 20,000 rows, evenly spaced, and are `{}` if their file is missing. Other files
    are None if missing.

    Attributes:
      workdir: The directory.
      config: Content of config.json.
      metrics: Columns of metrics.jsonl, one row per train step.
      probes: Columns of probes.jsonl, `[N, members]` for a population.
      scores: Columns of scores.jsonl.
      timing: Columns of timing.jsonl, one row per block.
      findings: Content of findings.json.
      evaluation: Content of evaluation.json, which `jaxgan evaluate` writes.
      final_scores: Content of scores.json or distance.json, which some experiments write.
      real_scores: Scores of real samples, `{name: [value of each draw]}`.
    """

    workdir: Path
    config: dict[str, Any]
    metrics: dict[str, np.ndarray]
    probes: dict[str, np.ndarray]
    scores: dict[str, np.ndarray]
    timing: dict[str, np.ndarray]
    findings: dict[str, Any] | None
    evaluation: dict[str, Any] | None
    final_scores: dict[str, Any] | None
    real_scores: dict[str, list[float]] | None

    @property
    def step(self) -> int:
        """The last logged train step, 0 if there is none."""
        return int(self.metrics["step"][-1]) if self.metrics else 0

    @property
    def options(self) -> dict[str, Any]:
        """The options of the training loop; `{}` if training has not begun."""
        return self.config.get("train", {}).get("options", {})

    @property
    def num_seeds(self) -> int | None:
        """The size of a population; None for a single GAN."""
        return self.options.get("num_seeds")


def read_run_files(workdir: str | os.PathLike[str]) -> RunFiles:
    """Reads the files of a run directory.

    Raises:
      ConfigError: If the directory contains no run, or config.json is corrupt.
      DataError: If another file is corrupt.
    """
    workdir = Path(workdir)
    config = read_config(workdir)
    if config is None:
        raise ConfigError(f"{workdir} contains no run: it has no config.json; check the path")
    logs = {
        name: metric_log.read_columns(workdir / f"{name}.jsonl", max_rows=MAX_ROWS)
        for name in ("metrics", "probes", "scores", "timing")
    }
    final_scores = read_object(workdir / "scores.json")
    evaluation = read_object(workdir / "evaluation.json")
    real_scores = read_object(workdir / "real_scores.json")
    if real_scores is None and evaluation is not None:
        real_scores = evaluation.get("real_baseline")
    return RunFiles(
        workdir=workdir,
        config=config,
        **logs,
        findings=read_object(workdir / "findings.json"),
        evaluation=evaluation,
        final_scores=read_object(workdir / "distance.json") or final_scores,
        real_scores=real_scores,
    )


def read_object(path: Path) -> dict[str, Any] | None:
    """Returns the content of a JSON file, or None if there is no such file.

    Raises:
      DataError: If the file does not contain a JSON object.
    """
    if not path.exists():
        return None
    try:
        content = json.loads(path.read_text())
    except ValueError as error:
        raise DataError(f"{path} is corrupt ({error}), expected JSON; remove it") from error
    if not isinstance(content, dict):
        raise DataError(
            f"{path} contains a {type(content).__name__}, expected a JSON object; remove it"
        )
    return content
