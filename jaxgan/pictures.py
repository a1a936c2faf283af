"""What a run of an image GAN draws into its workdir: samples, how they came about, and the losses."""

import io
from collections.abc import Callable
from pathlib import Path

import jax
import numpy as np

from jaxgan import history, plots
from jaxgan.data.sources import to_pixels
from jaxgan.gan import GAN
from jaxgan.states import GANState

NUM = 64
ROWS = 6


def image_drawer(
    gan: GAN, workdir: Path, steps_per_epoch: int, caption: str
) -> Callable[[GANState, jax.Array, int], None]:
    """A `draw` for `training.train`.

    Keeps `samples/STEP.png`, 64 samples from noise that is the same each time, and the same as uint8 `[64, H, W, C]` in
    `samples/STEP.npy`; `progress.png`, the first samples of a few steps from the first to the last; and `losses.png`.
    Samples of later steps than the one it is called with are from a run that was not saved, and are removed.

    Args:
      gan: makes the samples.
      workdir: where.
      steps_per_epoch: to name the epochs.
      caption: names the system and the data; drawn into every picture.
    """
    folder = workdir / "samples"

    def draw(state, key, step):
        for late in [path for path in folder.glob("*.*") if path.stem.isdecimal() and int(path.stem) > step]:
            late.unlink()
        images = to_pixels(gan.sample(state, key, NUM))
        buffer = io.BytesIO()
        np.save(buffer, images)
        history.write_whole(folder / f"{step:06}.npy", buffer.getvalue())
        plots.save_grid(folder / f"{step:06}.png", images, f"{caption} · {when(step)}")
        paths = choose(sorted(path for path in folder.glob("*.npy") if path.stem.isdecimal()), ROWS)
        rows = [(when(int(path.stem)), np.load(path)[:16]) for path in paths]
        plots.save_strip(workdir / "progress.png", rows, caption, columns=16)
        if step:
            plots.save_losses(workdir / "losses.png", history.read(workdir / "metrics.jsonl"), caption)

    def when(step):
        epochs, rest = divmod(step, steps_per_epoch)
        return f"step {step}" if rest or not step else f"epoch {epochs}"

    return draw


def choose(items: list, num: int) -> list:
    """At most `num` items, evenly spaced, the first and the last among them."""
    if len(items) <= num:
        return items
    return [items[round(i)] for i in np.linspace(0, len(items) - 1, num)]
