"""What `benchmarks.scaling` has measured, as tables and as a picture."""

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt

from jaxgan.evaluation.tables import markdown_table

COLUMNS = {
    "steps_per_second": "steps/s",
    "samples_per_second": "samples/s",
    "epoch_seconds": "s an epoch",
    "compile_seconds": "s to compile",
    "flops_per_step": "GFLOP a step",
    "fraction_of_peak": "of the peak",
}


def tables(found: dict[str, list[dict[str, Any]]]) -> str:
    """Markdown, a table a sweep."""
    parts = []
    for sweep, figures in found.items():
        rows = []
        for line in figures:
            cells = [f"{line[name]:.3g}" for name in list(COLUMNS)[2:4]]
            rates = [
                f"{line[name]:,.0f}" if line[name] >= 100 else f"{line[name]:.3g}"
                for name in list(COLUMNS)[:2]
            ]
            work = [
                f"{line['flops_per_step'] / 1e9:.3g}",
                f"{100 * line['fraction_of_peak']:.0f} %",
            ]
            rows.append([line["system"], f"{line['x']:,}", *rates, *cells, *work])
        parts.append(markdown_table(["system", sweep, *COLUMNS.values()], rows))
    return "\n\n".join(parts)


AXES = {
    "batch": ("samples of a batch", "samples/s", lambda line: line["samples_per_second"]),
    "width": ("units of a hidden layer", "samples/s", lambda line: line["samples_per_second"]),
    "gans": (
        "GANs trained at once",
        "ms a train step of one",
        lambda line: 1e3 / line["steps_per_second"] / line["x"],
    ),
    "data": ("images", "s an epoch", lambda line: line["epoch_seconds"]),
}


def draw(path: Path, found: dict[str, list[dict[str, Any]]]) -> None:
    """What it comes to, against what grows; a panel a sweep."""
    figure, panels = plt.subplots(
        1, len(found), figsize=(4 * len(found), 3.2), squeeze=False, layout="constrained"
    )
    for axes, (sweep, figures) in zip(panels[0], found.items(), strict=True):
        xlabel, ylabel, value = AXES[sweep]
        for system in dict.fromkeys(line["system"] for line in figures):
            points = [(line["x"], value(line)) for line in figures if line["system"] == system]
            axes.loglog(*zip(*points, strict=True), "o-", label=system)
        axes.set(xlabel=xlabel, ylabel=ylabel)
        axes.legend(frameon=False)
    figure.savefig(path)
    plt.close(figure)
