"""What a run draws into its workdir: samples, how they came about, and the losses."""

from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np

from jaxgan import _io
from jaxgan._io import save_array
from jaxgan.data.sources import to_pixels
from jaxgan.gan import GAN
from jaxgan.plotting import figures, images
from jaxgan.states import GANState
from jaxgan.training import metric_log

NUM_DRAWN = 64
NUM_PROGRESS_ROWS = 6
NUM_FRAMES = 60

DrawFn = Callable[[GANState, jax.Array, int], None]


def make_image_callback(
    gan: GAN,
    workdir: Path,
    steps_per_epoch: int,
    caption: str,
    *,
    perfect: dict[str, list[float]] | None = None,
) -> DrawFn:
    """A `draw` for `training.train`.

    Keeps `samples/STEP.png`, 64 samples from noise that is the same each time, and the same as uint8 `[64, H, W, C]` in
    `samples/STEP.npy`; `progress.png`, the first samples of a few steps from the first to the last; `losses.png`; and
    `scores.png`, where scores are recorded.
    Samples of later steps than the one it is called with are from a run that was not saved, and are removed.

    Args:
      gan: makes the samples.
      workdir: where.
      steps_per_epoch: to name the epochs.
      caption: names the system and the data; drawn into every picture.
      perfect: `{name: [draws]}`, what perfect samples score.
    """
    folder, recorded = workdir / "samples", metric_log.tail(workdir / "metrics.jsonl")
    scored = metric_log.tail(workdir / "scores.jsonl")

    def draw(state, key, step):
        remove_after(folder, step)
        images = to_pixels(gan.sample(state, key, NUM_DRAWN))
        save_array(folder / f"{step:06}.npy", images)
        figures.save_grid(folder / f"{step:06}.png", images, f"{caption} · {when(step)}")
        paths = evenly_spaced(saved_files(folder, ".npy"), NUM_PROGRESS_ROWS)
        rows = [(when(int(path.stem)), np.load(path)[:16]) for path in paths]
        figures.save_strip(workdir / "progress.png", rows, caption, columns=16)
        if step:
            figures.save_losses(workdir / "losses.png", recorded(), caption)
        if perfect is not None and scored():
            figures.save_scores(workdir / "scores.png", scored(), perfect, caption)

    def when(step):
        epochs, rest = divmod(step, steps_per_epoch)
        return f"step {step}" if rest or not step else f"epoch {epochs}"

    return draw


def make_plot_callback(
    gan: GAN,
    workdir: Path,
    steps_per_epoch: int,
    caption: str,
    *,
    save: Callable[[Path, np.ndarray, dict[str, float], dict[str, float], str], None],
    animation: str,
    num: int = NUM_DRAWN,
    strip: int = 1,
    show: Callable[[Path], None] | None = None,
) -> DrawFn:
    """A `draw` for `training.train`, of a GAN whose samples are drawn together in one frame.

    Keeps `samples/STEP.png`, samples from noise that is the same each time, and the same in `samples/STEP.npy`; the
    animation, at most 60 of these pictures one after the other; `progress.png`, the last of them, or several side by
    side; and `losses.png`.

    Args:
      gan: makes the samples.
      workdir: where.
      steps_per_epoch: unused, the pictures name steps.
      caption: names the system; drawn into every picture.
      save: draws a picture: `(path, samples [num, …], metrics, probes, caption)`, with the last line of metrics.jsonl,
        empty before the first step, and that of probes.jsonl, of the GAN that is drawn.
      animation: name of its file, a GIF.
      num: how many samples.
      strip: how many pictures `progress.png` shows.
      show: given each new picture.
    """
    del steps_per_epoch
    folder = workdir / "samples"
    recorded, probed = (
        metric_log.tail(workdir / name) for name in ("metrics.jsonl", "probes.jsonl")
    )

    def draw(state, key, step):
        remove_after(folder, step)
        samples = np.asarray(gan.sample(state, key, num))
        save_array(folder / f"{step:06}.npy", samples)
        path = folder / f"{step:06}.png"
        metrics, probes = (
            {name: float(np.ravel(column[-1])[0]) for name, column in columns().items()}
            for columns in (recorded, probed)
        )
        save(path, samples, metrics, probes, f"{caption} · step {step:,}")
        pictures = saved_files(folder, ".png")
        images.save_gif(workdir / animation, evenly_spaced(pictures, NUM_FRAMES))
        if strip == 1:
            _io.write_atomic(workdir / "progress.png", path.read_bytes())
        else:
            images.save_side_by_side(workdir / "progress.png", evenly_spaced(pictures, strip))
        if step:
            figures.save_losses(workdir / "losses.png", recorded(), caption)
        if show is not None:
            show(path)

    return draw


def saved_files(folder: Path, suffix: str) -> list[Path]:
    """The files of the steps that a folder has kept, in their order."""
    return sorted(
        (path for path in folder.glob(f"*{suffix}") if path.stem.isdecimal()),
        key=lambda path: int(path.stem),
    )


def remove_after(folder: Path, step: int) -> None:
    """Removes the files of steps after this one: they are from a run that was not saved."""
    for late in [
        path
        for suffix in (".npy", ".png")
        for path in saved_files(folder, suffix)
        if int(path.stem) > step
    ]:
        late.unlink()


def evenly_spaced(items: list, num: int) -> list:
    """At most `num` items, evenly spaced, the first and the last among them."""
    if len(items) <= num:
        return items
    return [items[round(i)] for i in np.linspace(0, len(items) - 1, num)]
