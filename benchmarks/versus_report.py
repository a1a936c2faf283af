"""The figures of a comparison, as text."""

import numpy as np

from benchmarks.systems import SYSTEMS
from jaxgan.evaluation.tables import markdown_table


def described(by_side: dict[str, dict[str, list[float]]]) -> list[str]:
    """A system's steps a second, in words."""
    return [
        f"{side} {spread(np.array(figures['steps_per_second']))} steps/s"
        for side, figures in by_side.items()
    ]


def speed_table(found: dict[str, dict[str, dict[str, list[float]]]]) -> str:
    """Markdown: a line for each system and side, medians; in brackets the smallest and the largest."""
    heads = [
        "system",
        "",
        "steps/s",
        "ratio, round by round",
        "target",
        "first steps (s)",
        "cold (s)",
        "memory (MiB)",
    ]
    lines = []
    for name, by_side in found.items():
        ours = np.array(by_side["jaxgan"]["steps_per_second"])
        for side, figures in by_side.items():
            rates = np.array(figures["steps_per_second"])
            ratio, target = (
                ("", "")
                if side == "jaxgan"
                else (spread(ours / rates), f"{SYSTEMS[name].target:g}")
            )
            times = [f"{figures[column][0]:.1f}" for column in ("warm", "cold")]
            lines.append(
                [
                    name,
                    side,
                    spread(rates),
                    ratio,
                    target,
                    *times,
                    f"{figures['bytes'][0] / 2**20:,.0f}",
                ]
            )
    return markdown_table(heads, lines)


def quality_table(found: dict[str, dict[str, list[list[float]]]], aim: float) -> str:
    """Markdown: how long each side took."""
    lines = []
    for name, by_side in found.items():
        for side, course in by_side.items():
            step, seconds, distance = course[-1]
            reached = f"{seconds:,.0f}" if distance <= aim else f"not in {seconds:,.0f}"
            lines.append([name, side, f"{int(step):,}", reached, f"{distance:.1f}"])
    return markdown_table(
        ["system", "", "train steps", f"seconds to {aim:g}", "Fréchet distance"], lines
    )


def spread(values: np.ndarray) -> str:
    """The median, and the smallest and the largest in brackets, in three digits or more."""
    figures = np.median(values), np.min(values), np.max(values)
    median, low, high = (f"{x:,.0f}" if x >= 100 else f"{x:.3g}" for x in figures)
    return f"{median} ({low} to {high})"
