"""Draws samples from a run.

Uses the moving average of the generator if the run keeps one. Needs only the directory of the run,
not its data.
"""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from jaxgan._io import save_array
from jaxgan.cli.run_tools import load_run_with_precision
from jaxgan.data.mixture import MIXTURES
from jaxgan.data.sources import to_pixels
from jaxgan.errors import ConfigError
from jaxgan.gan import GAN
from jaxgan.metrics.mixture import HIGH_QUALITY_RADIUS
from jaxgan.plotting import figures, images
from jaxgan.runs.loading import Run, run_title
from jaxgan.training.options import check_ranges

NUM_COLUMNS = 8
NUM_WALK_STEPS = 8


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of `jaxgan sample`."""

    workdir: tyro.conf.Positional[Path]
    """Directory of the run."""
    num: int = 64
    """Number of samples."""
    out: Path | None = None
    """File to write. .png: a grid of images, or a plot of samples that are not images. .gif: an
    animation of images. .npy: float32 [num, ...]. Unset: samples.png in the run's directory."""
    seed: int = 0
    """Seed of the latent noise."""
    step: int | None = None
    """Train step of the checkpoint. Unset: the latest."""
    member: int = 0
    """Index of the GAN in a run with --num-seeds, from 0."""
    interpolate: bool = False
    """Interpolate linearly between latent vectors, about eight samples from each to the next, and
    back to the first."""

    def __post_init__(self):
        """Raises ConfigError at the first option that is invalid."""
        check_ranges(self)
        if self.out is not None and self.out.suffix not in (".png", ".gif", ".npy"):
            raise ConfigError(f"out is {self.out}, expected a name ending in .png, .gif or .npy")


def run(config: Config) -> None:
    """Draws samples and writes the file."""
    loaded = load_run_with_precision(config.workdir, config.step, config.member)
    samples = draw_samples(loaded, config)
    path = config.workdir / "samples.png" if config.out is None else config.out
    save_samples(path, samples, loaded)
    print(f"{len(samples)} samples of step {loaded.step:,} are in {path}")


def draw_samples(loaded: Run, config: Config) -> np.ndarray:
    """Returns float32 samples `[num, …]`; images are in [-1, 1]."""
    key = jax.random.key(config.seed)
    if not config.interpolate:
        return np.asarray(loaded.sample(key, config.num), np.float32)
    state = loaded.state
    variables = state.g.variables if state.g_ema is None else state.g_ema
    z = interpolate_latents(loaded.gan, key, config.num)
    return np.asarray(loaded.gan.generate(variables, z), np.float32)


def interpolate_latents(gan: GAN, key: jax.Array, num: int) -> jax.Array:
    """Returns `z [num, dim]` on a closed polygon whose corners are draws of the prior.

    There is one corner per `NUM_WALK_STEPS` samples, and at least two.
    """
    corners = gan.prior(key, max(2, -(-num // NUM_WALK_STEPS)))
    position = jnp.linspace(0, len(corners), num, endpoint=False)
    start = jnp.floor(position).astype(jnp.int32)
    weight = (position - start)[:, None]
    return corners[start] * (1 - weight) + corners[(start + 1) % len(corners)] * weight


def save_samples(path: Path, samples: np.ndarray, loaded: Run) -> None:
    """Writes samples in the format of the path's suffix."""
    caption = f"{run_title(loaded.config)} · step {loaded.step:,}"
    mixture = MIXTURES.get(loaded.config.get("data", {}).get("name"))
    if path.suffix == ".npy":
        save_array(path, samples)
    elif samples.ndim == 2 and path.suffix != ".png":
        raise ConfigError(
            f"out is {path}, but a GIF needs images, and these samples are not images; use a name "
            "ending in .png or .npy"
        )
    elif mixture is not None:
        figures.save_points(
            path, samples, mixture.means, HIGH_QUALITY_RADIUS * mixture.sigma, caption
        )
    elif samples.ndim == 2:
        figures.save_parabolas(path, samples, caption)
    elif path.suffix == ".gif":
        images.save_animation(path, to_pixels(samples))
    else:
        columns = min(NUM_COLUMNS, len(samples))
        figures.save_image_grid(path, to_pixels(samples), caption, columns=columns)
