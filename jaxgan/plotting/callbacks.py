"""Callbacks for the training loop that draw samples, their history and the losses."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan._io import save_array, write_atomic, write_json
from jaxgan.data.sources import to_pixels
from jaxgan.gan import GAN
from jaxgan.plotting import figures, learning_curves
from jaxgan.plotting.images import check_image_shape, read_rgb, save_gif, save_side_by_side
from jaxgan.plotting.sample_files import load_pixels, make_loader, remove_after, saved_files
from jaxgan.states import GANState
from jaxgan.training import metric_log

NUM_SAMPLES = 64
NUM_GRID_COLUMNS = 8
MAX_CLASS_ROWS = 20
NUM_PROGRESS_ROWS = 6
NUM_PROGRESS_COLUMNS = 16
NUM_FRAMES = 60

DrawFn = Callable[[GANState, jax.Array, int], dict[str, np.ndarray]]


def make_image_callback(
    gan: GAN,
    workdir: str | os.PathLike[str],
    steps_per_epoch: int,
    caption: str,
    *,
    real_baseline: dict[str, list[float]] | None = None,
    real: np.ndarray | None = None,
    condition: jax.typing.ArrayLike | None = None,
    row_labels: Sequence[str] | None = None,
    log_fn: Callable[[str], None] = print,
) -> DrawFn:
    """Returns a callback that draws the samples of a GAN that generates images.

    Each call writes to `workdir`:

    * `samples/STEP.png`, a grid of N samples with 8 per row, and `samples/STEP.npy`, the same
      samples as uint8 `[N, H, W, C]`. The training loop passes the same key each time, so the
      latent vectors are the same in every file.
    * `progress.png`, 16 samples at up to 6 evenly spaced steps, first and last included: the first
      samples, or if `condition` is given, evenly spaced ones.
    * `losses.png`, after the first step.
    * `real.png`, a grid of real images, if `real` is given.
    * `real_scores.json`, if `real_baseline` is given, and `scores.png`, if it has scores that
      `scores.jsonl` also has.

    It first removes the sample files of steps after the current one, which belong to a part of
    the run that was not checkpointed. A file in `samples/` that is corrupt or has a different
    image shape is left out of `progress.png`.

    Args:
      gan: The GAN to sample from. Its samples are in [-1, 1].
      workdir: Directory of the run.
      steps_per_epoch: Number of train steps per epoch, for the labels of the pictures.
      caption: Names the system and the data; drawn into every picture.
      real_baseline: `{name: [value of each draw]}`, the scores of held-out real samples.
      real: uint8 `[M, H, W, C]`, images of the data as the networks see them.
      condition: `[N, …]`, the conditions of the samples. None for an unconditional GAN; then
        N is 64.
      row_labels: `[N / 8]`, labels of the rows of the grid, for example from `make_class_rows`;
        None for a grid without labels.
      log_fn: Receives a message about files that are left out. Each file is reported once.

    Returns:
      `(state, key, step) -> {"samples": picture}`, uint8 `[H, W, 3]`. It raises ShapeError before
      it writes a file if the samples are not `[N, H, W, C]` with C = 1, 3 or 4.
    """
    workdir = Path(workdir)
    folder = workdir / "samples"
    read_metrics = metric_log.tail(workdir / "metrics.jsonl")
    read_scores = metric_log.tail(workdir / "scores.jsonl")
    load_evenly_spaced = make_loader(load_pixels, log_fn)
    num = NUM_SAMPLES if condition is None else jnp.shape(condition)[0]
    shown = np.arange(min(num, NUM_PROGRESS_COLUMNS))
    if condition is not None:
        shown = np.linspace(0, num - 1, len(shown)).astype(int)

    def draw(state, key, step):
        samples = gan.sample(state, key, num, condition)
        check_image_shape(samples.shape)
        pixels = to_pixels(samples)
        remove_after(folder, step)
        save_array(folder / f"{step:06}.npy", pixels)
        title = f"{caption} · {step_label(step)}"
        rows = [("", pixels)]
        if row_labels is not None:
            rows = list(zip(row_labels, np.split(pixels, len(row_labels)), strict=True))
        figures.save_labeled_rows(folder / f"{step:06}.png", rows, title, NUM_GRID_COLUMNS)
        draw_progress(pixels.shape[1:])
        if real is not None:
            figures.save_image_grid(workdir / "real.png", real, f"{caption} · real images")
        if step:
            learning_curves.save_loss_curves(workdir / "losses.png", read_metrics(), caption)
        if real_baseline is not None:
            write_json(workdir / "real_scores.json", real_baseline)
        scores = read_scores()
        if real_baseline is not None and real_baseline.keys() & scores.keys():
            learning_curves.save_score_curves(
                workdir / "scores.png", scores, real_baseline, caption
            )
        return {"samples": read_rgb(folder / f"{step:06}.png")}

    def draw_progress(image_shape):
        paths = saved_files(folder, ".npy")
        rows = [
            (step_label(int(path.stem)), pixels[shown])
            for path, pixels in load_evenly_spaced(paths, NUM_PROGRESS_ROWS, image_shape)
        ]
        path = workdir / "progress.png"
        figures.save_labeled_rows(path, rows, caption, columns=NUM_PROGRESS_COLUMNS)

    def step_label(step):
        epochs, remainder = divmod(step, steps_per_epoch)
        return f"step {step}" if remainder or not step else f"epoch {epochs}"

    return draw


def make_class_rows(class_names: Sequence[str]) -> tuple[np.ndarray, list[str]]:
    """Returns the arguments `condition` and `row_labels` for a row of samples of each class.

    Args:
      class_names: The name of each class. Only the first 20 are drawn.
    """
    row_labels = list(class_names[:MAX_CLASS_ROWS])
    classes = np.arange(len(row_labels), dtype=np.int32)
    return np.repeat(classes, NUM_GRID_COLUMNS), row_labels


def make_plot_callback(
    gan: GAN,
    workdir: str | os.PathLike[str],
    steps_per_epoch: int,
    caption: str,
    *,
    save_fn: Callable[[Path, np.ndarray, dict[str, float], dict[str, float], str], None],
    animation_name: str,
    num_samples: int = NUM_SAMPLES,
    num_panels: int = 1,
    show_fn: Callable[[Path], None] | None = None,
    log_fn: Callable[[str], None] = print,
) -> DrawFn:
    """Returns a callback that draws all samples in one picture, for example points in the plane.

    Each call writes to `workdir`:

    * `samples/STEP.png`, the picture, and `samples/STEP.npy`, the samples `[num_samples, …]`. The
      training loop passes the same key each time, so the latent vectors are the same in every file.
    * the animation, a GIF of up to 60 evenly spaced pictures, first and last included.
    * `progress.png`, the last picture, or up to `num_panels` evenly spaced pictures side by side.
    * `losses.png`, after the first step.

    It first removes the sample files of steps after the current one, which belong to a part of
    the run that was not checkpointed. A picture in `samples/` that is corrupt or has a different
    size is left out of the animation and of `progress.png`.

    Args:
      gan: The GAN to sample from.
      workdir: Directory of the run.
      steps_per_epoch: Ignored; it gives both callbacks of this module the same arguments. The
        captions of these pictures give the step.
      caption: Names the system; drawn into every picture.
      save_fn: `(path, samples, metrics, probes, caption) -> None`, writes a picture. `samples` is
        `[num_samples, …]`. `metrics` and `probes` are the last rows of `metrics.jsonl` and
        `probes.jsonl` (of a population, the first member's values); `metrics` is empty before the
        first step.
      animation_name: File name of the GIF.
      num_samples: Number of samples.
      num_panels: Maximum number of pictures in `progress.png`.
      show_fn: Called with the path of each new picture.
      log_fn: Receives a message about pictures that are left out. Each file is reported once.

    Returns:
      `(state, key, step) -> {"samples": picture}`, uint8 `[H, W, 3]`.
    """
    del steps_per_epoch
    workdir = Path(workdir)
    folder = workdir / "samples"
    read_metrics = metric_log.tail(workdir / "metrics.jsonl")
    read_probes = metric_log.tail(workdir / "probes.jsonl")
    load_evenly_spaced = make_loader(read_rgb, log_fn)

    def draw(state, key, step):
        remove_after(folder, step)
        samples = np.asarray(gan.sample(state, key, num_samples))
        save_array(folder / f"{step:06}.npy", samples)
        path = folder / f"{step:06}.png"
        metrics = read_metrics()
        title = f"{caption} · step {step:,}"
        save_fn(path, samples, last_row(metrics), last_row(read_probes()), title)
        draw_history(path)
        if step:
            learning_curves.save_loss_curves(workdir / "losses.png", metrics, caption)
        if show_fn is not None:
            show_fn(path)
        return {"samples": read_rgb(path)}

    def draw_history(path):
        paths, shape = saved_files(folder, ".png"), read_rgb(path).shape
        frames = [picture for _, picture in load_evenly_spaced(paths, NUM_FRAMES, shape)]
        save_gif(workdir / animation_name, frames)
        if num_panels == 1:
            write_atomic(workdir / "progress.png", path.read_bytes())
        else:
            panels = [picture for _, picture in load_evenly_spaced(paths, num_panels, shape)]
            save_side_by_side(workdir / "progress.png", panels)

    return draw


def last_row(columns: dict[str, np.ndarray]) -> dict[str, float]:
    """Returns the first entry of the last row of each column `[N]` or `[N, …]`."""
    return {name: float(np.ravel(column[-1])[0]) for name, column in columns.items()}
