"""Figures of the game's dynamics: trajectories, scores of optimizers, eigenvalues."""

import os
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from jaxgan.plotting.figures import new_figure, save_figure, use_plain_log_labels

PANEL_SIDE = 2.6  # inches
STABLE_COLOR = "tab:green"


def save_phase_portraits(
    path: str | os.PathLike[str],
    trajectories: dict[str, np.ndarray],
    caption: str,
    limit: float = 2.0,
    columns: int = 3,
) -> None:
    """Draws trajectories of a game with two parameters, one panel per optimizer.

    Args:
      path: The PNG to write.
      trajectories: `{optimizer: [trajectories, steps, 2]}`, points (θ, ψ). The first trajectory is
        drawn as a strong line, the others faintly.
      caption: Text above the panels.
      limit: The axes extend from -limit to limit.
      columns: Panels per row.
    """
    rows = -(-len(trajectories) // columns)
    size = (PANEL_SIDE * columns, PANEL_SIDE * rows + 0.4)
    figure = new_figure(*size, title=caption, layout="constrained")
    panels = figure.subplots(rows, columns, sharex=True, sharey=True, squeeze=False)
    for axes, (name, points) in zip(panels.flat, trajectories.items(), strict=False):
        for i, line in enumerate(points):
            alpha, width = (1.0, 1.2) if i == 0 else (0.25, 0.6)
            axes.plot(*line.T, color="tab:blue", alpha=alpha, linewidth=width)
        axes.plot(*points[0, 0], "o", color="tab:blue", markersize=5)
        axes.plot(0, 0, "+", color="black", markersize=10)
        axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
        axes.set_title(name, fontsize=9)
        axes.grid(alpha=0.3)
    for axes in panels.flat[len(trajectories) :]:
        axes.set_axis_off()
    figure.supxlabel("θ, the generator", fontsize=9)
    figure.supylabel("ψ, the discriminator", fontsize=9)
    save_figure(path, figure)


def save_optimizer_scores(
    path: str | os.PathLike[str], scores: dict[str, dict[str, np.ndarray]], caption: str
) -> None:
    """Draws the scores of optimizers, one panel per score, on a logarithmic axis.

    Args:
      path: The PNG to write.
      scores: `{title: {optimizer: [seeds]}}`, with the same optimizers in all panels. Each seed is
        a dot, the mean of all seeds a bar; seeds at 0 have no dot.
      caption: Text above the panels.
    """
    names = list(next(iter(scores.values())))
    size = (2.2 + PANEL_SIDE * len(scores), 0.32 * len(names) + 1.3)
    figure = new_figure(*size, title=caption, layout="constrained")
    panels = figure.subplots(1, len(scores), sharey=True, squeeze=False)
    for axes, (title, values) in zip(panels.flat, scores.items(), strict=True):
        for row, seeds in enumerate(values.values()):
            drawn = seeds[seeds > 0]
            axes.plot(drawn, [row] * len(drawn), "o", color="tab:blue", markersize=4, alpha=0.5)
            if len(drawn):
                axes.plot(seeds.mean(), row, "|", color="black", markersize=14)
        axes.set(xscale="log", yticks=range(len(names)), yticklabels=names)
        axes.set_title(title, fontsize=9)
        axes.grid(alpha=0.3)
        use_plain_log_labels(axes.xaxis)
        axes.tick_params(axis="x", labelsize=7, which="both")
    panels.flat[0].set_ylim(len(names) - 0.5, -0.5)  # the first optimizer on top
    save_figure(path, figure)


def save_spectrum(
    path: str | os.PathLike[str],
    products: np.ndarray,
    converged: Sequence[bool] | np.ndarray,
    factor_fn: Callable[[np.ndarray], np.ndarray],
    limits: tuple[float, float, float],
    caption: str,
) -> None:
    """Draws eigenvalues times the learning rate, and the region in which a step contracts.

    Args:
      path: The PNG to write.
      products: Complex `[k]`, eigenvalues times the learning rate.
      converged: `[k]`, whether the residual of an eigenvalue is small; others are drawn hollow.
      factor_fn: Maps products to |μ|, the factors by which a step multiplies the error.
      limits: Limits of the axes: the lowest and the highest real part, and the highest imaginary
        part; the lowest is its negative.
      caption: Text above the axes.
    """
    low, high, top = limits
    figure = new_figure(5.0, 4.2, title=caption, fontsize=8)
    axes = figure.add_axes((0.15, 0.12, 0.82, 0.75))
    real, imaginary = np.meshgrid(np.linspace(low, high, 300), np.linspace(-top, top, 300))
    factors = factor_fn(real + 1j * imaginary)
    axes.contourf(real, imaginary, factors, levels=[0, 1], colors=[STABLE_COLOR], alpha=0.15)
    axes.contour(real, imaginary, factors, levels=[1], colors=[STABLE_COLOR], linewidths=1)
    axes.axvline(0, color="black", linewidth=0.8)
    axes.axhline(0, color="black", linewidth=0.4)
    kept = np.asarray(converged, bool)
    draw_points(axes, products[~kept], fillstyle="none", label="not converged")
    draw_points(axes, products[kept], label="converged")
    axes.set(xlim=(low, high), ylim=(-top, top))
    axes.set(xlabel="Re ηλ", ylabel="Im ηλ")
    axes.grid(alpha=0.3)
    axes.legend(loc="upper right", fontsize=8)
    save_figure(path, figure)


def draw_points(axes: Any, values: np.ndarray, **style: Any) -> None:
    """Draws complex numbers as dots."""
    axes.plot(np.real(values), np.imag(values), "o", color="tab:blue", markersize=4, **style)
