"""Figures of samples, saved as PNG files, and functions that all figures share.

Only this module imports matplotlib, and only inside functions: the import is slow, and most
programs draw nothing.
"""

import io
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from jaxgan._io import write_atomic
from jaxgan.data.parabola import A_MAX, A_MIN, BASIS, POINTS
from jaxgan.plotting.images import composite_over_white, enlarge, tile_images

DPI = 100
CAPTION_HEIGHT = 0.32  # inches, above the images
ROW_GAP = 0.08  # inches
# Captions are plain text: matplotlib would read what is between two $ as a formula.
ROW_TEXT = {"va": "center", "fontsize": 9, "parse_math": False}


def save_image_grid(
    path: str | os.PathLike[str], images: np.ndarray, caption: str, columns: int = 8, zoom: int = 2
) -> None:
    """Draws images in a grid below a caption.

    Args:
      path: The PNG to write.
      images: uint8 `[N, H, W, C]`, C = 1, 3 or 4. RGBA images are composited over white.
      caption: Text above the images.
      columns: Number of images per row.
      zoom: Width and height of each image pixel, in pixels of the PNG.

    Raises:
      ShapeError: If the shape is not `[N, H, W, C]` with C = 1, 3 or 4.
      DtypeError: If the dtype is not uint8.
    """
    save_labeled_rows(path, [("", images)], caption, columns, zoom)


def save_labeled_rows(
    path: str | os.PathLike[str],
    rows: Sequence[tuple[str, np.ndarray]],
    caption: str,
    columns: int = 8,
    zoom: int = 2,
) -> None:
    """Draws batches of images below each other, each with a label on its left.

    Args:
      path: The PNG to write.
      rows: `(label, images)` pairs. `images` is uint8 `[N, H, W, C]`, C = 1, 3 or 4, with the
        same H and W in all rows. RGBA images are composited over white.
      caption: Text above the images.
      columns: Number of images per line; a batch of more images takes several lines.
      zoom: Width and height of each image pixel, in pixels of the PNG.

    Raises:
      ShapeError: If a shape is not `[N, H, W, C]` with C = 1, 3 or 4.
      DtypeError: If a dtype is not uint8.
    """
    blocks = [
        enlarge(tile_images(composite_over_white(images), columns), zoom) for _, images in rows
    ]
    # All lengths are in inches. A pixel of a block is 1 / DPI, so images are not resampled.
    block_heights = [block.shape[0] / DPI for block in blocks]
    block_width = blocks[0].shape[1] / DPI
    label_width = 0.09 * max(len(label) for label, _ in rows) + (0.1 if rows[0][0] else 0.0)
    width = max(label_width + block_width, 0.075 * len(caption))
    height = CAPTION_HEIGHT + sum(block_heights) + ROW_GAP * (len(rows) - 1)
    figure = new_figure(width, height)
    top = height - CAPTION_HEIGHT
    for (label, _), block, block_height in zip(rows, blocks, block_heights, strict=True):
        bottom = top - block_height
        bounds = (label_width, bottom, block_width, block_height)
        axes = figure.add_axes(tuple(np.divide(bounds, (width, height, width, height))))
        # Gray images are drawn as RGB because a color map would round the gray levels.
        axes.imshow(np.broadcast_to(block, (*block.shape[:2], 3)), interpolation="nearest")
        axes.set_axis_off()
        middle = (bottom + top) / 2
        figure.text(0.05 / width, middle / height, label, **ROW_TEXT)
        top = bottom - ROW_GAP
    figure.text(0.05 / width, 1 - CAPTION_HEIGHT / 2 / height, caption, **ROW_TEXT)
    save_figure(path, figure)


def save_parabola_samples(
    path: str | os.PathLike[str],
    curves: np.ndarray,
    metrics: dict[str, float],
    probes: dict[str, float],
    caption: str,
) -> None:
    """Draws one generated parabola with the discriminator's metrics, and next to it the batch.

    Args:
      path: The PNG to write.
      curves: `[N, 15]`, generated samples; the left panel shows the first.
      metrics: The last row of `metrics.jsonl`; empty before the first step.
      probes: `w2_squared` is the squared 2-Wasserstein distance of the samples from the data.
      caption: Text above the panels.
    """
    figure = new_figure(9, 4, title=caption)
    margins = {"left": 0.05, "right": 0.98, "bottom": 0.11, "top": 0.92, "wspace": 0.04}
    left, right = figure.subplots(1, 2, sharey=True, gridspec_kw=margins)
    draw_parabolas(left, curves[:1], 2)
    draw_parabolas(right, curves, 0.6)
    left.legend(loc="lower center", fontsize=8, ncols=3, columnspacing=1, handlelength=1.5)
    if "d_real_probability" in metrics:
        # At equilibrium D is 0.5 everywhere and its loss is 2 log 2 = 1.39.
        probability, loss = metrics["d_real_probability"], metrics["d_loss"]
        left.text(0, 3.25, f"mean D(x) = {probability:.2f} (at equilibrium 0.50)", ha="center")
        left.text(0, 2.95, f"D loss = {loss:.2f} (at equilibrium 1.39)", ha="center")
    summary = f"{len(curves)} samples, W2² to the data = {probes['w2_squared']:.3f}"
    right.text(0, 3.25, summary, ha="center")
    save_figure(path, figure)


def save_parabolas(path: str | os.PathLike[str], curves: np.ndarray, caption: str) -> None:
    """Draws generated parabolas `[N, 15]` and the bounds of the data."""
    figure = new_figure(6, 4.5, title=caption)
    axes = figure.add_axes((0.08, 0.1, 0.9, 0.82))
    draw_parabolas(axes, curves, 0.6)
    axes.legend(loc="lower center", fontsize=8, ncols=3)
    save_figure(path, figure)


def draw_parabolas(axes: Any, curves: np.ndarray, linewidth: float) -> None:
    """Draws the bounds of the data, and curves `[N, 15]`; `linewidth` is in points."""
    bounds = (("upper bound, 2x² + 1", A_MAX, "tab:blue"), ("lower bound, x²", A_MIN, "tab:orange"))
    for label, scale, color in bounds:
        axes.plot(POINTS, scale * BASIS - 1, color=color, linewidth=2, label=label)
    lines = axes.plot(POINTS, curves.T, color="tab:green", linewidth=linewidth, alpha=0.7)
    lines[0].set_label("generated")
    axes.set(xlabel="x", ylim=(-0.5, 3.5))
    axes.grid(alpha=0.3)


def save_points(
    path: str | os.PathLike[str], points: np.ndarray, means: np.ndarray, radius: float, caption: str
) -> None:
    """Draws generated points in the plane and a circle around each mode of the data.

    Args:
      path: The PNG to write.
      points: `[N, 2]`. Points outside the axes are not visible; the axes extend to 1.45 times the
        largest coordinate of `means`.
      means: `[K, 2]`, the centers of the modes.
      radius: Radius of the circle around each mode.
      caption: Text above the axes.
    """
    from matplotlib.patches import Circle

    figure = new_figure(4.2, 4.6, title=caption, fontsize=9)
    axes = figure.add_axes((0.11, 0.06, 0.87, 0.82))
    for mean in means:
        axes.add_patch(Circle(mean, radius, fill=False, edgecolor="tab:orange"))
    axes.scatter(*points.T, s=4, color="tab:green", alpha=0.4, linewidths=0)
    limit = 1.45 * float(np.abs(means).max())
    axes.set(xlim=(-limit, limit), ylim=(-limit, limit), aspect="equal")
    axes.grid(alpha=0.3)
    save_figure(path, figure)


def use_plain_log_labels(axis: Any) -> None:
    """Labels a logarithmic axis with plain numbers, 20 rather than 2 x 10^1."""
    from matplotlib.ticker import LogFormatter

    axis.set_major_formatter(LogFormatter())
    # Adds labels between powers of 10 only if the axis has few powers of 10.
    axis.set_minor_formatter(LogFormatter(labelOnlyBase=False, minor_thresholds=(1.5, 0.6)))


def live_window(title: str) -> Callable[[str | os.PathLike[str]], None] | None:
    """Opens a window that shows one picture at a time.

    Args:
      title: Title of the window.

    Returns:
      `(path) -> None`, shows a PNG in place of the previous one; or None if no window can be
      opened, because there is no display or matplotlib has no interactive backend.
    """
    from matplotlib import pyplot  # imported nowhere else: it looks for a display
    from matplotlib.backends.registry import BackendFilter, backend_registry

    if pyplot.get_backend().lower() not in backend_registry.list_builtin(BackendFilter.INTERACTIVE):
        return None
    figure = pyplot.figure(title, figsize=(9, 4), dpi=DPI)

    def show(path: str | os.PathLike[str]) -> None:
        figure.clear()
        axes = figure.add_axes((0, 0, 1, 1))
        axes.imshow(pyplot.imread(Path(path)))
        axes.set_axis_off()
        figure.canvas.draw()
        pyplot.pause(0.1)  # seconds for the window to handle its events

    return show


def new_figure(
    width: float, height: float, *, title: str = "", fontsize: int = 10, **options: Any
) -> Any:
    """Returns an empty matplotlib figure of `width` x `height` inches, with a title if given."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), dpi=DPI, **options)
    if title:
        figure.suptitle(title, fontsize=fontsize, parse_math=False)
    return figure


def save_figure(path: str | os.PathLike[str], figure: Any) -> None:
    """Writes a matplotlib figure to a PNG file atomically."""
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png")
    write_atomic(path, buffer.getvalue())
