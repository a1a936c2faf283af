"""What a run draws into its workdir: samples, how they came about, and the losses."""

import io
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np

from jaxgan import frames, history, plots
from jaxgan.data.sources import to_pixels
from jaxgan.gan import GAN
from jaxgan.states import GANState

NUM = 64
ROWS = 6
FRAMES = 60

Draw = Callable[[GANState, jax.Array, int], None]


def image_drawer(
    gan: GAN, workdir: Path, steps_per_epoch: int, caption: str, *, perfect: dict[str, list[float]] | None = None
) -> Draw:
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
    folder, recorded = workdir / "samples", history.follow(workdir / "metrics.jsonl")
    scored = history.follow(workdir / "scores.jsonl")

    def draw(state, key, step):
        remove_later(folder, step)
        images = to_pixels(gan.sample(state, key, NUM))
        save_array(folder / f"{step:06}.npy", images)
        plots.save_grid(folder / f"{step:06}.png", images, f"{caption} · {when(step)}")
        paths = choose(kept(folder, ".npy"), ROWS)
        rows = [(when(int(path.stem)), np.load(path)[:16]) for path in paths]
        plots.save_strip(workdir / "progress.png", rows, caption, columns=16)
        if step:
            plots.save_losses(workdir / "losses.png", recorded(), caption)
        if perfect is not None and scored():
            plots.save_scores(workdir / "scores.png", scored(), perfect, caption)

    def when(step):
        epochs, rest = divmod(step, steps_per_epoch)
        return f"step {step}" if rest or not step else f"epoch {epochs}"

    return draw


def frame_drawer(
    gan: GAN,
    workdir: Path,
    steps_per_epoch: int,
    caption: str,
    *,
    save: Callable[[Path, np.ndarray, dict[str, float], dict[str, float], str], None],
    animation: str,
    num: int = NUM,
    strip: int = 1,
    show: Callable[[Path], None] | None = None,
) -> Draw:
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
    recorded, probed = (history.follow(workdir / name) for name in ("metrics.jsonl", "probes.jsonl"))

    def draw(state, key, step):
        remove_later(folder, step)
        samples = np.asarray(gan.sample(state, key, num))
        save_array(folder / f"{step:06}.npy", samples)
        path = folder / f"{step:06}.png"
        metrics, probes = (
            {name: float(np.ravel(column[-1])[0]) for name, column in columns().items()}
            for columns in (recorded, probed)
        )
        save(path, samples, metrics, probes, f"{caption} · step {step:,}")
        pictures = kept(folder, ".png")
        frames.join(workdir / animation, choose(pictures, FRAMES))
        if strip == 1:
            history.write_whole(workdir / "progress.png", path.read_bytes())
        else:
            frames.lay_out(workdir / "progress.png", choose(pictures, strip))
        if step:
            plots.save_losses(workdir / "losses.png", recorded(), caption)
        if show is not None:
            show(path)

    return draw


def kept(folder: Path, suffix: str) -> list[Path]:
    """The files of the steps that a folder has kept, in their order."""
    return sorted(
        (path for path in folder.glob(f"*{suffix}") if path.stem.isdecimal()), key=lambda path: int(path.stem)
    )


def remove_later(folder: Path, step: int) -> None:
    """Removes the files of steps after this one: they are from a run that was not saved."""
    for late in [path for suffix in (".npy", ".png") for path in kept(folder, suffix) if int(path.stem) > step]:
        late.unlink()


def save_array(path: Path, array: np.ndarray) -> None:
    """Writes an array as a whole .npy file."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    history.write_whole(path, buffer.getvalue())


def choose(items: list, num: int) -> list:
    """At most `num` items, evenly spaced, the first and the last among them."""
    if len(items) <= num:
        return items
    return [items[round(i)] for i in np.linspace(0, len(items) - 1, num)]
