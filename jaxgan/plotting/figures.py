"""Figures, as PNG files. The only file that knows matplotlib."""

import io
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxgan._io import write_atomic
from jaxgan.data.parabola import BASIS, LOWER, POINTS, UPPER
from jaxgan.plotting.images import tile_images

DPI = 100
MARGIN = 0.32  # inches above a picture for its caption


def save_grid(
    path: Path, images: np.ndarray, caption: str, columns: int = 8, zoom: int = 2
) -> None:
    """Draws uint8 images `[N, H, W, C]`, C = 1 or 3, `columns` to a row, each pixel `zoom` wide, below a caption."""
    save_strip(path, [("", images)], caption, columns, zoom)


def save_strip(
    path: Path,
    rows: Sequence[tuple[str, np.ndarray]],
    caption: str,
    columns: int = 8,
    zoom: int = 2,
) -> None:
    """Draws blocks of uint8 images `[N, H, W, C]` one below the other, each with its label to the left."""
    tiles = [
        np.kron(tile_images(images, columns), np.ones((zoom, zoom, 1), np.uint8))
        for _, images in rows
    ]
    heights = [t.shape[0] / DPI for t in tiles]
    left = 0.09 * max(len(label) for label, _ in rows) + (0.1 if rows[0][0] else 0.0)
    gap = 0.08
    wide = tiles[0].shape[1] / DPI
    width, height = (
        max(left + wide, 0.075 * len(caption)),
        MARGIN + sum(heights) + gap * (len(rows) - 1),
    )
    figure = new_figure(width, height)
    top = height - MARGIN
    for (label, _), pixels, tall in zip(rows, tiles, heights, strict=True):
        axes = figure.add_axes((left / width, (top - tall) / height, wide / width, tall / height))
        # As RGB: a colour map would round the greys.
        axes.imshow(np.broadcast_to(pixels, (*pixels.shape[:2], 3)), interpolation="nearest")
        axes.set_axis_off()
        figure.text(0.05 / width, (top - tall / 2) / height, label, va="center", fontsize=9)
        top -= tall + gap
    figure.text(0.05 / width, 1 - MARGIN / 2 / height, caption, va="center", fontsize=9)
    save_figure(path, figure)


def save_parabola_samples(
    path: Path,
    curves: np.ndarray,
    metrics: dict[str, float],
    probes: dict[str, float],
    caption: str,
) -> None:
    """Draws one painting between the artist's bounds with what D makes of it, and beside it all of a batch.

    Args:
      path: of the PNG.
      curves: `[N, 15]`, painted; the first is the one.
      metrics: the last line of metrics.jsonl, empty before the first step.
      probes: `w2_squared` is that of the generator's paintings from the artist's.
      caption: drawn above.
    """
    figure = new_figure(9, 4, title=caption)
    margins = {"left": 0.05, "right": 0.98, "bottom": 0.11, "top": 0.92, "wspace": 0.04}
    left, right = figure.subplots(1, 2, sharey=True, gridspec_kw=margins)
    draw_parabolas(left, curves[:1], 2)
    draw_parabolas(right, curves, 0.6)
    left.legend(loc="lower center", fontsize=8, ncols=3)
    if "d_real_probability" in metrics:
        left.text(
            0,
            3.25,
            f"mean D(x) {metrics['d_real_probability']:.2f}  (0.5: D cannot tell)",
            ha="center",
        )
        left.text(0, 2.95, f"D score {-metrics['d_loss']:.2f}  (-1.39: D cannot tell)", ha="center")
    right.text(
        0,
        3.25,
        f"{len(curves)} paintings. W2² from the artist's {probes['w2_squared']:.3f}",
        ha="center",
    )
    save_figure(path, figure)


def save_parabolas(path: Path, curves: np.ndarray, caption: str) -> None:
    """Draws paintings `[N, 15]` between the artist's bounds."""
    figure = new_figure(6, 4.5, title=caption)
    axes = figure.add_axes((0.08, 0.1, 0.9, 0.82))
    draw_parabolas(axes, curves, 0.6)
    axes.legend(loc="lower center", fontsize=8, ncols=3)
    save_figure(path, figure)


def draw_parabolas(axes, curves: np.ndarray, width: float) -> None:
    """The artist's bounds, and painted curves `[N, 15]` of so many points' width."""
    axes.plot(
        POINTS, UPPER * BASIS - 1, color="tab:blue", linewidth=2, label="upper bound, 2x² + 1"
    )
    axes.plot(POINTS, LOWER * BASIS - 1, color="tab:orange", linewidth=2, label="lower bound, x²")
    lines = axes.plot(POINTS, curves.T, color="tab:green", linewidth=width, alpha=0.7)
    lines[0].set_label("painted")
    axes.set(xlabel="x", ylim=(-0.5, 3.5))
    axes.grid(alpha=0.3)


def save_points(
    path: Path, points: np.ndarray, means: np.ndarray, radius: float, caption: str
) -> None:
    """Draws points in the plane, and where they should be.

    Args:
      path: of the PNG.
      points: `[N, 2]`; what lies far outside the frame is not seen.
      means: `[K, 2]`, the modes.
      radius: of the circle around each mode.
      caption: drawn above.
    """
    from matplotlib.patches import Circle

    figure = new_figure(4.2, 4.6, title=caption, fontsize=9)
    axes = figure.add_axes((0.11, 0.06, 0.87, 0.82))
    for mean in means:
        axes.add_patch(Circle(mean, radius, fill=False, edgecolor="tab:orange"))
    axes.scatter(*points.T, s=4, color="tab:green", alpha=0.4, linewidths=0)
    reach = 1.45 * float(np.abs(means).max())
    axes.set(xlim=(-reach, reach), ylim=(-reach, reach), aspect="equal")
    axes.grid(alpha=0.3)
    save_figure(path, figure)


def save_losses(path: Path, history: dict[str, np.ndarray], caption: str) -> None:
    """Draws both losses, and what D makes of real and fake, against the train step.

    Where the loss gives probabilities these are D(x) and D(G(z)), with the line at 0.5 where D cannot tell them apart;
    otherwise the mean scores. Every step is drawn faintly, and a running mean over it.

    Args:
      path: of the PNG.
      history: the columns of metrics.jsonl.
      caption: drawn above.
    """
    figure = new_figure(9, 6, title=caption)
    margins = {"left": 0.08, "right": 0.98, "bottom": 0.08, "top": 0.94, "hspace": 0.06}
    top, bottom = figure.subplots(2, 1, sharex=True, gridspec_kw=margins)
    draw_curves(top, history, {"discriminator": "d_loss", "generator": "g_loss"})
    judged = "d_real_probability" in history
    top.set_ylabel("loss (nats)" if judged else "loss")
    if judged:
        draw_curves(
            bottom,
            history,
            {"D(x), of real": "d_real_probability", "D(G(z)), of fake": "d_fake_probability"},
        )
        bottom.axhline(0.5, color="black", linewidth=0.8, linestyle="--", label="0.5: cannot tell")
        bottom.set(ylabel="probability of being real", ylim=(0, 1))
    else:
        draw_curves(bottom, history, {"of real": "d_real_logits", "of fake": "d_fake_logits"})
        bottom.set_ylabel("mean score")
    bottom.set_xlabel("train step")
    for axes, place in ((top, "upper right"), (bottom, "center right")):
        axes.legend(loc=place, fontsize=8)
        axes.grid(alpha=0.3)
    save_figure(path, figure)


def save_scores(
    path: Path, history: dict[str, np.ndarray], perfect: dict[str, list[float]], caption: str
) -> None:
    """Draws every score against the train step, with the mean of perfect samples as a line.

    Args:
      path: of the PNG.
      history: the columns of scores.jsonl.
      perfect: `{name: [draws]}`, what perfect samples score.
      caption: drawn above.
    """
    names = [name for name in perfect if name in history]
    columns, rows = 3, -(-len(names) // 3)
    figure = new_figure(
        10, 2.1 * rows + 0.3, title=f"{caption} · dashed: perfect samples", layout="constrained"
    )
    for axes, name in zip(figure.subplots(rows, columns, sharex=True).flat, names, strict=False):
        axes.plot(history["step"], history[name], color="tab:blue", marker="o", markersize=3)
        axes.axhline(np.mean(perfect[name]), color="black", linewidth=0.8, linestyle="--")
        axes.set_title(name, fontsize=9)
        axes.grid(alpha=0.3)
    save_figure(path, figure)


def save_seeds(path: Path, values: dict[str, np.ndarray], perfect: float, caption: str) -> None:
    """Draws the Fréchet distance of every seed, a row of dots for each system, its mean as a bar.

    Args:
      path: of the PNG.
      values: `[seeds]` by system.
      perfect: the mean of perfect samples, a dashed line.
      caption: drawn above.
    """
    figure = new_figure(8, 0.4 * len(values) + 1.1, title=caption, layout="constrained")
    axes = figure.subplots()
    for row, seeds in enumerate(values.values()):
        axes.plot(seeds, [row] * len(seeds), "o", color="tab:blue", markersize=4, alpha=0.5)
        axes.plot(seeds.mean(), row, "|", color="black", markersize=16)
    axes.axvline(perfect, color="black", linewidth=0.8, linestyle="--", label="perfect samples")
    axes.set(
        xscale="log", xlabel="Fréchet distance", yticks=range(len(values)), yticklabels=list(values)
    )
    axes.invert_yaxis()
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    save_figure(path, figure)


def save_bands(
    path: Path, systems: dict[str, dict[str, np.ndarray]], name: str, perfect: float, caption: str
) -> None:
    """Draws a score against the train step: the mean over seeds, and a band of one standard error.

    Args:
      path: of the PNG.
      systems: `[seeds, evaluations]` of each column, `step` among them, by system.
      name: of the score; its axis is logarithmic.
      perfect: the mean of perfect samples, a dashed line.
      caption: drawn above.
    """
    figure = new_figure(8, 4.5, title=caption, layout="constrained")
    axes = figure.subplots()
    for system, columns in systems.items():
        mean, error = (
            columns[name].mean(0),
            columns[name].std(0) / max(1, len(columns[name]) - 1) ** 0.5,
        )
        axes.plot(columns["step"][0], mean, marker="o", markersize=3, label=system)
        axes.fill_between(columns["step"][0], mean - error, mean + error, alpha=0.25)
    axes.axhline(perfect, color="black", linewidth=0.8, linestyle="--", label="perfect samples")
    axes.set(yscale="log", xlabel="train step", ylabel=name)
    axes.grid(alpha=0.3)
    axes.legend(fontsize=8)
    save_figure(path, figure)


def draw_curves(axes, history: dict[str, np.ndarray], columns: dict[str, str]) -> None:
    """A faint line for each column, and its running mean with the column's label."""
    for color, (label, name) in zip(("tab:blue", "tab:orange"), columns.items(), strict=True):
        marker = "o" if len(history["step"]) == 1 else None  # a line of one point is none
        axes.plot(
            history["step"], history[name], color=color, alpha=0.25, linewidth=0.6, marker=marker
        )
        mean = running_mean(history[name])
        axes.plot(history["step"], mean, color=color, linewidth=1.4, marker=marker, label=label)


def running_mean(values: np.ndarray) -> np.ndarray:
    """The mean over a centred window of a fiftieth of all values, narrower at the ends: `[N] -> [N]`."""
    half = len(values) // 100
    sums = np.concatenate([[0.0], np.cumsum(values)])
    index = np.arange(len(values))
    low, high = np.maximum(index - half, 0), np.minimum(index + half + 1, len(values))
    return (sums[high] - sums[low]) / (high - low)


def live_window(title: str) -> Callable[[Path], None] | None:
    """A function that shows a PNG in one window, in place of the one before; None where no window can be opened."""
    from matplotlib import pyplot  # only here: it looks for a display
    from matplotlib.backends.registry import BackendFilter, backend_registry

    if pyplot.get_backend().lower() not in backend_registry.list_builtin(BackendFilter.INTERACTIVE):
        return None
    figure = pyplot.figure(title, figsize=(9, 4), dpi=DPI)

    def show(path: Path) -> None:
        figure.clear()
        axes = figure.add_axes((0, 0, 1, 1))
        axes.imshow(pyplot.imread(path))
        axes.set_axis_off()
        figure.canvas.draw()
        pyplot.pause(0.1)  # seconds in which the window can react

    return show


def new_figure(
    width: float, height: float, *, title: str = "", fontsize: int = 10, **options: Any
) -> Any:
    """An empty figure of so many inches, with a title where there is one."""
    from matplotlib.figure import (
        Figure,  # only here, as it takes a while, and not every program draws
    )

    figure = Figure(figsize=(width, height), dpi=DPI, **options)
    if title:
        figure.suptitle(title, fontsize=fontsize)
    return figure


def save_figure(path: Path, figure: Any) -> None:
    """Writes the figure as a whole file."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    write_atomic(path, buffer.getvalue())
