"""Reads a run's curves while it trains, says what is new in them, and keeps it in findings.json."""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np

from jaxgan import _io
from jaxgan.diagnostics.rules import MIN_STEPS, Finding, diagnose
from jaxgan.training import metric_log


def make_monitor(
    workdir: Path, steps: int, tell: Callable[[str], None], *, population: bool = False
) -> Callable[[], None]:
    """A function that says what the curves say: when called, what is new; once the run is at its end, everything.

    Args:
      workdir: of the run; findings.json is kept there, what the curves say at present.
      steps: of the whole run.
      tell: takes a text for the user.
      population: whether the probes are of several GANs, which are then read as one.
    """
    told = set()
    recorded, probed = (
        metric_log.tail(workdir / name) for name in ("metrics.jsonl", "probes.jsonl")
    )

    def watch() -> None:
        metrics, probes = recorded(), probed()
        step = int(metrics["step"][-1]) if metrics else 0
        if population:
            probes = {name: merge_members(column) for name, column in probes.items()}
        findings = diagnose(metrics, probes)
        kept = {"step": step, "findings": [finding._asdict() for finding in findings]}
        _io.write_atomic(workdir / "findings.json", (json.dumps(kept, indent=2) + "\n").encode())
        for finding in findings:
            if step == steps or finding.name not in told:
                tell(format_finding(finding, step))
        if step == steps >= MIN_STEPS and not findings:
            tell("The curves look healthy.")
        told.clear()
        told.update(finding.name for finding in findings)

    return watch


def merge_members(column: np.ndarray) -> np.ndarray:
    """What a probe recorded of each member, `[lines, members, …]`, as if of one GAN: means, sketches side by side."""
    if column.ndim == 3:
        return column.reshape(len(column), -1) / column.shape[1] ** 0.5
    return column.mean(1) if column.ndim == 2 else column


def format_finding(finding: Finding, step: int) -> str:
    """A finding as a paragraph."""
    advice = "".join(f"\n    - {advice}" for advice in finding.advice)
    return f"At step {step:,}, {finding.name}: {finding.seen}. {finding.means}. To try:{advice}"
