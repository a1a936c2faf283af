"""Draws samples from a run, with the averaged generator if the run keeps one.

Needs only the folder of the run, not the data it was trained on.
"""

import dataclasses
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan._io import save_array
from jaxgan.data.mixture import MIXTURES, Mixture
from jaxgan.data.sources import to_pixels
from jaxgan.errors import ConfigError
from jaxgan.gan import GAN
from jaxgan.metrics.mixture import RADIUS
from jaxgan.plotting import figures, images
from jaxgan.runs import loading
from jaxgan.runs.command_line import Positional, exit_on_error, parse_cli

COLUMNS = 8


@dataclasses.dataclass(frozen=True)
class Config:
    """What to draw."""

    workdir: Positional[Path]
    """Folder of the run."""
    num: int = 64
    """How many samples."""
    out: Path = Path("samples.png")
    """Where to: .png, images in a grid, else one frame; .gif, images one after the other; .npy, float32 [num, …]."""
    seed: int = 0
    """Decides the noise."""
    step: int | None = None
    """Train step of one of the checkpoints that the run has kept. Unset: the newest."""
    member: int = 0
    """Which GAN, of a run that has trained several at once; counted from 0."""
    interpolate: bool = False
    """Walk slowly from one sample to the next, eight steps each, and back to the first."""


def main() -> None:
    """Draws as the command line says."""
    with exit_on_error():
        config = parse_cli(Config)
        check(config)
        run = loading.load_run(config.workdir, config.step, config.member)
        samples = draw(run, config)
        mixture = MIXTURES.get(run.record["data"]["name"])
        save(config.out, samples, f"{loading.run_title(run.record)} · step {run.step}", mixture)
        print(f"{len(samples)} samples of step {run.step} are in {config.out}")


def check(config: Config) -> None:
    """Raises ConfigError where the settings will not do."""
    if config.num < 1:
        raise ConfigError(f"num is {config.num}, expected at least 1")
    if config.out.suffix not in (".png", ".gif", ".npy"):
        raise ConfigError(f"out is {config.out}, expected a name that ends in .png, .gif or .npy")
    if not 0 <= config.seed < 2**32:
        raise ConfigError(f"seed is {config.seed}, expected 0 to {2**32 - 1}")


def draw(run: loading.Run, config: Config) -> np.ndarray:
    """float32 `[num, …]`, images in [-1, 1]."""
    key = jax.random.key(config.seed)
    if not config.interpolate:
        return np.asarray(run.gan.sample(run.state, key, config.num), np.float32)
    variables = run.state.g.variables if run.state.g_ema is None else run.state.g_ema
    return np.asarray(run.gan.generate(variables, walk(run.gan, key, config.num)), np.float32)


def walk(gan: GAN, key: jax.Array, num: int) -> jax.Array:
    """`z [num, dim]` on straight lines from draw to draw of the prior, `COLUMNS` steps each, in a closed round."""
    corners = gan.prior(key, -(-num // COLUMNS))
    share = jnp.linspace(0, 1, COLUMNS, endpoint=False)[None, :, None]
    lines = corners[:, None] * (1 - share) + jnp.roll(corners, -1, axis=0)[:, None] * share
    return lines.reshape(-1, corners.shape[-1])[:num]


def save(path: Path, samples: np.ndarray, caption: str, mixture: Mixture | None = None) -> None:
    """Writes the samples as the path's ending says, points in the plane among the modes of their mixture."""
    if path.suffix == ".npy":
        save_array(path, samples)
    elif samples.ndim == 2 and path.suffix != ".png":
        raise ConfigError(
            f"out is {path}: these samples are drawn in one frame; give a name that ends in .png or .npy"
        )
    elif mixture is not None:
        figures.save_points(path, samples, mixture.means, RADIUS * mixture.sigma, caption)
    elif samples.ndim == 2:
        figures.save_parabolas(path, samples, caption)
    elif path.suffix == ".gif":
        images.save_animation(path, to_pixels(samples))
    else:
        figures.save_grid(path, to_pixels(samples), caption, columns=min(COLUMNS, len(samples)))


if __name__ == "__main__":
    main()
