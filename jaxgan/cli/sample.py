"""Draws samples from a run.

Uses the moving average of the generator if the run keeps one. Needs only the directory of the run,
not its data.
"""

import dataclasses
from pathlib import Path
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
import tyro

from jaxgan._io import save_array
from jaxgan.cli.loading import load_run_with_precision
from jaxgan.data.classes import find_class
from jaxgan.data.mixture import MIXTURES
from jaxgan.data.sources import to_pixels
from jaxgan.errors import ConfigError
from jaxgan.metrics.mixture import HIGH_QUALITY_RADIUS
from jaxgan.plotting import figures, images
from jaxgan.runs.loading import Run
from jaxgan.training.config_file import run_title
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
    of_class: Annotated[str | None, tyro.conf.arg(name="class", metavar="NAME|INDEX")] = None
    """Class of the samples of a run with --conditional: its name, or its index from 0. Unset: the
    classes are drawn by their frequency in the training data."""
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
    back to the first. For a run with --conditional, also from each class to the next, unless
    --class is given."""

    def __post_init__(self):
        """Raises ConfigError at the first option that is invalid."""
        check_ranges(self)
        if self.out is not None and self.out.suffix not in (".png", ".gif", ".npy"):
            raise ConfigError(f"out is {self.out}, expected a name ending in .png, .gif or .npy")


def run(config: Config) -> None:
    """Draws samples and writes the file."""
    loaded = load_run_with_precision(config.workdir, config.step, config.member)
    if config.of_class is not None and loaded.class_names is None:
        raise ConfigError(
            f"--class is {config.of_class!r}, but {config.workdir} is not a run with "
            "--conditional; leave out --class"
        )
    samples = draw_samples(loaded, config)
    path = config.workdir / "samples.png" if config.out is None else config.out
    save_samples(path, samples, loaded, make_caption(loaded, config))
    print(f"{len(samples)} samples of step {loaded.step:,} are in {path}")


def make_caption(loaded: Run, config: Config) -> str:
    """Returns the caption of the figure: the run, the step, and the class if one is given."""
    parts = [run_title(loaded.config), f"step {loaded.step:,}"]
    if config.of_class is not None and loaded.class_names is not None:
        index = find_class(config.of_class, loaded.class_names)
        parts.append(f"class {loaded.class_names[index]}")
    return " · ".join(parts)


def draw_samples(loaded: Run, config: Config) -> np.ndarray:
    """Returns float32 samples `[num, …]`; images are in [-1, 1]."""
    key, condition = jax.random.key(config.seed), None
    if config.of_class is not None and loaded.class_names is not None:
        index = find_class(config.of_class, loaded.class_names)
        condition = np.full(config.num, index, np.int32)
    if not config.interpolate:
        return np.asarray(loaded.sample(key, config.num, condition), np.float32)
    num_corners = max(2, -(-config.num // NUM_WALK_STEPS))
    z = interpolate(loaded.gan.prior(key, num_corners), config.num)
    if condition is None and loaded.class_names is not None:
        corners = np.arange(num_corners) % len(loaded.class_names)
        condition = interpolate(jax.nn.one_hot(corners, len(loaded.class_names)), config.num)
        check_takes_class_weights(loaded, z, condition)
    state = loaded.state
    variables = state.g.variables if state.g_ema is None else state.g_ema
    return np.asarray(loaded.gan.generate(variables, z, condition), np.float32)


def interpolate(corners: jax.Array, num: int) -> jax.Array:
    """Returns `num` evenly spaced points on the closed polygon with the given corners `[n, dim]`.

    The sides of the polygon have equally many points.
    """
    position = jnp.linspace(0, len(corners), num, endpoint=False)
    start = jnp.floor(position).astype(jnp.int32)
    weight = (position - start)[:, None]
    return corners[start] * (1 - weight) + corners[(start + 1) % len(corners)] * weight


def check_takes_class_weights(loaded: Run, z: jax.Array, weights: jax.Array) -> None:
    """Raises ConfigError if the generator takes class indices, but no weights of the classes."""
    try:
        jax.eval_shape(loaded.gan.generate, loaded.state.g.variables, z, weights)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            "the generator takes no weights of the classes, so it cannot interpolate between "
            f"classes ({error}); give one --class"
        ) from error


def save_samples(path: Path, samples: np.ndarray, loaded: Run, caption: str) -> None:
    """Writes samples in the format of the path's suffix."""
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
