"""Figures of losses and scores against the train step, and of scores of several seeds."""

import os
from typing import Any

import numpy as np

from jaxgan.plotting import figures

REFERENCE_LINE = {"color": "black", "linewidth": 0.8, "linestyle": "--"}


def save_loss_curves(
    path: str | os.PathLike[str], metrics: dict[str, np.ndarray], caption: str
) -> None:
    """Draws both losses and the discriminator's outputs against the train step.

    The outputs are the mean probabilities D(x) and D(G(z)) if the loss defines a probability, with
    a line at the equilibrium 0.5; otherwise the mean logits. The value of each step is drawn
    faintly below the running mean.

    Args:
      path: The PNG to write.
      metrics: The columns of `metrics.jsonl`, `[steps]` each.
      caption: Text above the panels.
    """
    figure = figures.new_figure(9, 6, title=caption)
    margins = {"left": 0.08, "right": 0.98, "bottom": 0.08, "top": 0.91, "hspace": 0.14}
    top, bottom = figure.subplots(2, 1, sharex=True, gridspec_kw=margins)
    draw_curves(top, metrics, {"discriminator": "d_loss", "generator": "g_loss"})
    has_probability = "d_real_probability" in metrics
    top.set_ylabel("loss (nats)" if has_probability else "loss")
    if has_probability:
        columns = {"D(x)": "d_real_probability", "D(G(z))": "d_fake_probability"}
        draw_curves(bottom, metrics, columns)
        bottom.axhline(0.5, **REFERENCE_LINE, label="equilibrium")
        bottom.set(ylabel="probability of being real", ylim=(0, 1))
    else:
        draw_curves(bottom, metrics, {"real": "d_real_logits", "fake": "d_fake_logits"})
        bottom.set_ylabel("mean logit")
    bottom.set_xlabel("train step")
    for axes in (top, bottom):
        # Above the axes, because curves can pass through every part of them.
        axes.legend(loc="lower right", bbox_to_anchor=(1, 0.98), frameon=False, fontsize=8, ncols=3)
        axes.grid(alpha=0.3)
    figures.save_figure(path, figure)


def save_score_curves(
    path: str | os.PathLike[str],
    scores: dict[str, np.ndarray],
    real_baseline: dict[str, list[float]],
    caption: str,
) -> None:
    """Draws each score against the train step, with the mean real baseline as a dashed line.

    Args:
      path: The PNG to write.
      scores: The columns of `scores.jsonl`, `[evaluations]` each, including `step`.
      real_baseline: `{name: [value of each draw]}`, the scores of held-out real samples. Scores
        without a baseline are not drawn.
      caption: Text above the panels.
    """
    names = [name for name in real_baseline if name in scores]
    columns, rows = 3, -(-len(names) // 3)
    title = f"{caption} · dashed: real baseline"
    figure = figures.new_figure(10, 2.1 * rows + 0.5, title=title, layout="constrained")
    panels = figure.subplots(rows, columns, sharex=True, squeeze=False)
    for axes, name in zip(panels.flat, names, strict=False):
        axes.plot(scores["step"], scores[name], color="tab:blue", marker="o", markersize=3)
        axes.axhline(np.mean(real_baseline[name]), **REFERENCE_LINE)
        axes.set_title(score_title(name), fontsize=9)
        axes.grid(alpha=0.3)
    for axes in panels.flat[len(names) :]:
        axes.set_axis_off()
    figure.supxlabel("train step", fontsize=10)
    figures.save_figure(path, figure)


def save_seed_scores(
    path: str | os.PathLike[str], values: dict[str, np.ndarray], real_mean: float, caption: str
) -> None:
    """Draws the Fréchet distance of each seed: a row of dots per system, and a bar at their mean.

    Args:
      path: The PNG to write.
      values: `{system: [seeds]}`.
      real_mean: Mean distance of held-out real samples, drawn as a dashed line.
      caption: Text above the axes.
    """
    figure = figures.new_figure(8, 0.4 * len(values) + 1.1, title=caption, layout="constrained")
    axes = figure.subplots()
    for row, distances in enumerate(values.values()):
        axes.plot(distances, [row] * len(distances), "o", color="tab:blue", markersize=4, alpha=0.5)
        axes.plot(distances.mean(), row, "|", color="black", markersize=16)
    axes.axvline(real_mean, **REFERENCE_LINE, label="real baseline")
    axes.set(xlabel="Fréchet distance", yticks=range(len(values)), yticklabels=list(values))
    axes.set_ylim(len(values) - 0.5, -0.5)  # the first system on top
    axes.set_xscale("log")
    figures.use_plain_log_labels(axes.xaxis)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figures.save_figure(path, figure)


def save_score_bands(
    path: str | os.PathLike[str],
    systems: dict[str, dict[str, np.ndarray]],
    name: str,
    real_mean: float,
    caption: str,
) -> None:
    """Draws a score against the train step: the mean over seeds and a band of ± 1 standard error.

    Args:
      path: The PNG to write.
      systems: `{system: {column: [seeds, evaluations]}}`; the columns include `step` and `name`.
      name: Name of the score. Its axis is logarithmic.
      real_mean: Mean score of held-out real samples, drawn as a dashed line.
      caption: Text above the axes.
    """
    figure = figures.new_figure(8, 4.5, title=caption, layout="constrained")
    axes = figure.subplots()
    for system, columns in systems.items():
        steps, values = columns["step"][0], columns[name]
        mean = values.mean(0)
        standard_error = values.std(0) / max(1, len(values) - 1) ** 0.5
        axes.plot(steps, mean, marker="o", markersize=3, label=system)
        axes.fill_between(steps, mean - standard_error, mean + standard_error, alpha=0.25)
    axes.axhline(real_mean, **REFERENCE_LINE, label="real baseline")
    axes.set(xlabel="train step", ylabel=score_title(name), yscale="log")
    figures.use_plain_log_labels(axes.yaxis)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    figures.save_figure(path, figure)


def score_title(name: str) -> str:
    """Returns a score's key as a title: `"frechet_distance"` becomes `"frechet distance"`."""
    return name.replace("_", " ")


def draw_curves(axes: Any, metrics: dict[str, np.ndarray], columns: dict[str, str]) -> None:
    """Draws two columns, given as `{label: name}`: each value faintly, and the running mean."""
    steps = metrics["step"]
    marker = "o" if len(steps) == 1 else None  # a line through one point is invisible
    for color, (label, name) in zip(("tab:blue", "tab:orange"), columns.items(), strict=True):
        values = metrics[name]
        axes.plot(steps, values, color=color, alpha=0.25, linewidth=0.6, marker=marker)
        mean = running_mean(values)
        axes.plot(steps, mean, color=color, linewidth=1.4, marker=marker, label=label)


def running_mean(values: np.ndarray) -> np.ndarray:
    """Returns the mean over a centered window of 1/50 of all values.

    At both ends the window is cut off at the first and the last value.

    Args:
      values: `[N]`.

    Returns:
      `[N]`.
    """
    half = len(values) // 100
    sums = np.concatenate([[0.0], np.cumsum(values)])
    index = np.arange(len(values))
    low, high = np.maximum(index - half, 0), np.minimum(index + half + 1, len(values))
    return (sums[high] - sums[low]) / (high - low)
