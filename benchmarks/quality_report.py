"""Tables and a plot of the results of `benchmarks.quality`.

A curve is a list of rows [train step, training time in seconds, Fréchet distance].
"""

from pathlib import Path

import matplotlib.pyplot as plt
import numpy as np

from jaxgan.evaluation.tables import format_mean_sem, markdown_table

Curve = list[list[float]]


def format_curve(curve: Curve) -> str:
    """Returns the scores of a run with one seed, on one line."""
    return ", ".join(f"{distance:.3g} at {seconds:.0f} s" for _, seconds, distance in curve)


def seconds_to_level(curve: Curve, level: float) -> float:
    """Returns the training time until the Fréchet distance is at most `level`, in seconds.

    The logarithm of the distance is interpolated linearly between scores. If the first score is at
    most `level`, its time is returned; if none is, infinity.
    """
    _, seconds, distances = np.array(curve).T
    reached = np.flatnonzero(distances <= level)
    if not len(reached):
        return float("inf")
    i = reached[0]
    if i == 0:
        return float(seconds[0])
    before, after = np.log(distances[i - 1]), np.log(distances[i])
    weight = (before - np.log(level)) / (before - after)
    return float(seconds[i - 1] + weight * (seconds[i] - seconds[i - 1]))


def markdown_tables(curves: dict[str, list[Curve]], levels: tuple[float, ...]) -> str:
    """Returns two Markdown tables: distances after fixed times, and times to fixed distances.

    Args:
      curves: `{run: [curve of each seed]}`, with equally long curves per run.
      levels: Fréchet distances; the times to reach them are medians of the seeds (min to max).
    """
    header = ["run", "seeds", "train steps", "seconds", "Fréchet distance"]
    rows = []
    for run, seeds in curves.items():
        for points in zip(*seeds, strict=True):
            steps, seconds, distances = np.array(points).T
            rows.append(
                [
                    run,
                    str(len(seeds)),
                    f"{np.median(steps):,.0f}",
                    f"{np.median(seconds):.0f}",
                    format_mean_sem(distances, 1),
                ]
            )
    times = [
        [run, *(format_times([seconds_to_level(c, level) for c in seeds]) for level in levels)]
        for run, seeds in curves.items()
    ]
    return "\n\n".join(
        [
            markdown_table(header, rows),
            markdown_table(["run", *(f"seconds to {level:g}" for level in levels)], times),
        ]
    )


def format_times(seconds: list[float]) -> str:
    """Returns "median (min to max)" of times in seconds; infinity is a dash."""
    median, low, high = (
        f"{x:.0f}" if np.isfinite(x) else "-"
        for x in (np.median(seconds), min(seconds), max(seconds))
    )
    return median if len(seconds) == 1 else f"{median} ({low} to {high})"


def save_plot(path: Path, curves: dict[str, list[Curve]]) -> None:
    """Plots the distance against the training time: means over seeds, and a band of min to max."""
    figure, axes = plt.subplots(figsize=(8, 4.5), layout="constrained")
    for run, seeds in curves.items():
        _, seconds, distances = np.moveaxis(np.array(seeds), -1, 0)
        axes.plot(seconds.mean(0), distances.mean(0), marker="o", markersize=3, label=run)
        axes.fill_between(seconds.mean(0), distances.min(0), distances.max(0), alpha=0.25)
    axes.set(xlabel="training time (s)", ylabel="Fréchet distance", yscale="log")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figure.savefig(path, dpi=100)
    plt.close(figure)
