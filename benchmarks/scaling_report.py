"""Tables and plot of the results of `benchmarks.scaling`."""

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

from jaxgan.evaluation.tables import markdown_table

COLUMNS = {
    "steps_per_second": "steps/s",
    "samples_per_second": "samples/s",
    "epoch_seconds": "s/epoch",
    "compile_seconds": "compile time (s)",
    "flops_per_step": "GFLOP/step",
    "fraction_of_peak": "of peak",
}
# For each sweep: the x label, the y label, and the plotted value of a point.
PLOTS = {
    "batch": ("batch size", "samples/s", lambda point: point["samples_per_second"]),
    "width": ("width of the hidden layers", "samples/s", lambda point: point["samples_per_second"]),
    "gans": (
        "GANs trained at once",
        "ms per train step of one GAN",
        lambda point: 1e3 / point["steps_per_second"] / point["x"],
    ),
    "data": ("images", "s/epoch", lambda point: point["epoch_seconds"]),
}


def markdown_tables(results: dict[str, list[dict[str, Any]]]) -> str:
    """Returns Markdown with one table per sweep.

    Args:
      results: `{sweep: points}`, with points as `scaling.measure_point` returns them.
    """
    return "\n\n".join(
        markdown_table(["system", sweep, *COLUMNS.values()], [format_point(p) for p in points])
        for sweep, points in results.items()
    )


def format_point(point: dict[str, Any]) -> list[str]:
    """Returns the cells of a point's row."""
    return [
        point["system"],
        f"{point['x']:,}",
        format_rate(point["steps_per_second"]),
        format_rate(point["samples_per_second"]),
        f"{point['epoch_seconds']:.3g}",
        f"{point['compile_seconds']:.3g}",
        f"{point['flops_per_step'] / 1e9:.3g}",
        f"{100 * point['fraction_of_peak']:.0f} %",
    ]


def format_rate(rate: float) -> str:
    """Formats a rate with at least three significant digits."""
    return f"{rate:,.0f}" if rate >= 100 else f"{rate:.3g}"


def save_plot(path: Path, results: dict[str, list[dict[str, Any]]]) -> None:
    """Saves a plot with one panel per sweep and one line per system."""
    figure, panels = plt.subplots(
        1, len(results), figsize=(4 * len(results), 3.2), squeeze=False, layout="constrained"
    )
    for axes, (sweep, points) in zip(panels[0], results.items(), strict=True):
        xlabel, ylabel, value_of = PLOTS[sweep]
        for system in dict.fromkeys(point["system"] for point in points):
            line = [(point["x"], value_of(point)) for point in points if point["system"] == system]
            axes.loglog(*zip(*line, strict=True), "o-", label=system)
        axes.set(xlabel=xlabel, ylabel=ylabel)
        axes.legend(frameon=False)
    figure.savefig(path)
    plt.close(figure)
