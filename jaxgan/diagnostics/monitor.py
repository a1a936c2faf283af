"""Diagnoses a run from its logged curves during training."""

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np

from jaxgan._io import write_json
from jaxgan.diagnostics.findings import Finding
from jaxgan.diagnostics.rules import diagnose, is_conclusive
from jaxgan.diagnostics.thresholds import MIN_STEPS
from jaxgan.training import metric_log

HEALTHY_MESSAGE = (
    "The curves show no known failure mode. They do not measure the quality of the samples."
)


def make_monitor(
    workdir: str | os.PathLike[str],
    steps: int,
    log_fn: Callable[[str], None],
    *,
    population: bool = False,
) -> Callable[[], None]:
    """Returns a function that diagnoses the run so far and reports new findings.

    Each call reads what was appended to metrics.jsonl and probes.jsonl, writes all current findings
    to findings.json in the workdir, and logs those that are new since the previous call. At the
    last step of the run it logs all findings; if there are none, it logs that the curves show
    no failure mode, or that the run is too short to judge.

    Args:
      workdir: Directory of the run.
      steps: Number of train steps of the whole run.
      log_fn: Called with each message for the user.
      population: Whether the probes are those of a population. They are then merged and diagnosed
        as those of one GAN.
    """
    workdir, reported = Path(workdir), set()
    read_metrics = metric_log.tail(workdir / "metrics.jsonl")
    read_probes = metric_log.tail(workdir / "probes.jsonl")

    def update() -> None:
        metrics, probes = read_metrics(), read_probes()
        step = int(metrics["step"][-1]) if metrics else 0
        if population:
            probes = {name: merge_members(column) for name, column in probes.items()}
        findings = diagnose(metrics, probes)
        content = {"step": step, "findings": [finding._asdict() for finding in findings]}
        write_json(workdir / "findings.json", content)
        for finding in findings:
            if step == steps or finding.name not in reported:
                log_fn(format_finding(finding, step))
        if metrics and step == steps and not findings:
            log_fn(HEALTHY_MESSAGE if is_conclusive(metrics) else too_short_message(step))
        reported.clear()
        reported.update(finding.name for finding in findings)

    return update


def merge_members(column: np.ndarray) -> np.ndarray:
    """Returns a probe of a population as if it were that of one GAN.

    Args:
      column: `[N, members]` for a scalar, `[N, members, K]` for a sketch, N probes of a run. Other
        columns are returned unchanged.

    Returns:
      The mean over members `[N]`; or their sketches side by side, `[N, members * K]`, scaled so
      that the mean squares are those over all members.
    """
    if column.ndim == 3:
        return column.reshape(len(column), -1) / column.shape[1] ** 0.5
    return column.mean(1) if column.ndim == 2 else column


def format_finding(finding: Finding, step: int) -> str:
    """Returns a finding as a paragraph for the user."""
    advice = "".join(f"\n    - {advice}" for advice in finding.advice)
    return (
        f"At step {step:,}, {finding.name}: {finding.evidence}. {finding.meaning}. To try:{advice}"
    )


def too_short_message(step: int) -> str:
    """Returns the message for a run that ends too early to judge its curves."""
    count = "1 step is" if step == 1 else f"{step:,} steps are"
    return f"{count} too few to judge the curves; {MIN_STEPS:,} are needed."
