"""Draws samples from a run, or interpolates between them.

Uses the moving average of the generator if the run keeps one. Needs only the directory of the run,
not its data.
"""

import dataclasses
from pathlib import Path
from typing import Annotated, Any, Literal

import jax
import numpy as np
import tyro

from jaxgan._io import save_array
from jaxgan.cli.loading import check_seeds, load_run_with_precision
from jaxgan.data.classes import find_class
from jaxgan.data.mixture import MIXTURES
from jaxgan.data.parabola import POINTS
from jaxgan.data.sources import to_pixels
from jaxgan.errors import ConfigError
from jaxgan.latents import draw_latents, interpolate, is_normal
from jaxgan.metrics.mixture import HIGH_QUALITY_RADIUS
from jaxgan.plotting import figures, images
from jaxgan.runs.loading import Run
from jaxgan.training.config_file import run_title
from jaxgan.training.options import check_ranges

NUM_SAMPLES = 64
NUM_COLUMNS, MAX_COLUMNS = 8, 32
SAMPLES_PER_SECTION = 8  # of a walk, from one random latent vector to the next


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of `jaxgan sample`."""

    workdir: tyro.conf.Positional[Path]
    """Directory of the run."""
    num: int | None = None
    """Number of samples. Unset: 64, or the number of --seeds without --interpolate."""
    of_class: Annotated[
        tuple[str, ...] | None, tyro.conf.arg(name="class", metavar="NAME|INDEX [...]")
    ] = None
    """Class of the samples of a run with --conditional: its name, or its index from 0. Several
    classes share the samples equally; a walk goes through them. Unset: the classes are drawn by
    their frequency in the training data."""
    out: Path | None = None
    """File to write. .png: a grid of images, or a plot of samples that are not images. .gif: an
    animation of images. .npy: float32 [num, ...]. Unset: samples.png in the run's directory."""
    seed: int = 0
    """Seed of the latent vectors."""
    seeds: tuple[int, ...] | None = None
    """Draw one sample per seed, or with --interpolate, interpolate from each to the next."""
    step: int | None = None
    """Train step of the checkpoint. Unset: the latest."""
    member: int = 0
    """Index of the GAN in a run with --num-seeds, from 0."""
    interpolate: bool = False
    """Interpolate in the latent space (a walk): from each of --seeds to the next, or between random
    latent vectors with about eight samples from each to the next. For a run with --conditional,
    also from each class to the next, unless a single --class is given."""
    path: Literal["linear", "spherical"] | None = None
    """Interpolation along straight lines or great arcs. Unset: spherical if the prior is normal,
    otherwise linear."""
    loop: bool = True
    """Whether a walk returns to its start. With --no-loop, it ends at the last latent vector."""

    def __post_init__(self):
        """Raises ConfigError at the first option that is invalid."""
        check_ranges(self)
        if self.out is not None and self.out.suffix not in (".png", ".gif", ".npy"):
            raise ConfigError(f"out is {self.out}, expected a name ending in .png, .gif or .npy")
        if not self.interpolate and (self.path is not None or not self.loop):
            option = "--no-loop" if self.path is None else f"--path {self.path}"
            raise ConfigError(f"{option} is given without --interpolate; add --interpolate")
        if self.seeds is not None:
            check_seeds(self.seeds)
        if self.seeds is not None and not self.interpolate and self.num is not None:
            raise ConfigError(
                f"--num {self.num} and --seeds are both given, but there is one sample per seed; "
                "leave out --num, or add --interpolate"
            )


def run(config: Config) -> None:
    """Draws samples and writes the file."""
    loaded = load_run_with_precision(config.workdir, config.step, config.member)
    classes = find_classes(loaded, config)
    if config.interpolate:
        samples, columns = walk(loaded, config, classes)
    else:
        samples, columns = draw_samples(loaded, config, classes), NUM_COLUMNS
    path = config.workdir / "samples.png" if config.out is None else config.out
    save_samples(path, samples, loaded, make_caption(loaded, config, classes), columns)
    print(f"{len(samples)} samples of step {loaded.step:,} are in {path}")


def find_classes(loaded: Run, config: Config) -> list[int] | None:
    """Returns the indices of the classes that are given, or None."""
    if config.of_class is None:
        return None
    if loaded.class_names is None:
        raise ConfigError(
            f"--class is {' '.join(config.of_class)!r}, but {config.workdir} is not a run with "
            "--conditional; leave out --class"
        )
    return [find_class(text, loaded.class_names) for text in config.of_class]


def make_caption(loaded: Run, config: Config, classes: list[int] | None) -> str:
    """Returns the caption of the figure: the run, the step, and what is drawn."""
    parts = [run_title(loaded.config), f"step {loaded.step:,}"]
    if classes and loaded.class_names is not None:
        names = ", ".join(loaded.class_names[index] for index in classes)
        parts.append(f"{'class' if len(classes) == 1 else 'classes'} {names}")
    if config.seeds is not None:
        parts.append(f"seeds {', '.join(map(str, config.seeds))}")
    return " · ".join(parts)


def draw_samples(loaded: Run, config: Config, classes: list[int] | None) -> np.ndarray:
    """Returns float32 samples `[num, …]`; images are in [-1, 1]."""
    if config.seeds is None:
        num, condition = config.num or NUM_SAMPLES, None
        if classes is not None:
            condition = np.repeat(np.array(classes, np.int32), -(-num // len(classes)))[:num]
        return np.asarray(loaded.sample(jax.random.key(config.seed), num, condition), np.float32)
    z = draw_latents(loaded.gan.prior, config.seeds)
    if classes is None and loaded.class_names is not None:
        classes = list(range(len(loaded.class_names)))
    condition = None if classes is None else np.resize(np.array(classes, np.int32), len(z))
    return generate(loaded, z, condition)


def walk(loaded: Run, config: Config, classes: list[int] | None) -> tuple[np.ndarray, int]:
    """Returns the samples of a walk, float32 `[num, …]`, and their number per section."""
    num = config.num or NUM_SAMPLES
    prior, names = loaded.gan.prior, loaded.class_names
    if classes is None and names is not None:
        classes = list(range(len(names)))
    num_classes = len(classes or [0])
    if config.seeds is None:
        num_corners = max(2, -(-num // SAMPLES_PER_SECTION), num_classes if config.of_class else 0)
        corners = prior(jax.random.key(config.seed), num_corners)
    else:
        num_corners = max(len(config.seeds), num_classes if config.of_class else 0)
        if num_corners < 2:
            raise ConfigError(
                f"seeds is {config.seeds}, but a walk needs at least two; add another seed, or "
                "several classes for a run with --conditional"
            )
        if num < num_corners:
            raise ConfigError(
                f"num is {num}, but the walk passes through {num_corners} latent vectors; use "
                f"--num {num_corners} or more"
            )
        corners = draw_latents(prior, np.resize(config.seeds, num_corners).tolist())
    spherical = config.path == "spherical" or (config.path is None and is_normal(prior))
    z = interpolate(corners, num, spherical=spherical, closed=config.loop)
    condition = None
    if classes is not None and num_classes == 1:
        condition = np.full(num, classes[0], np.int32)
    elif classes is not None and names is not None:
        weights = jax.nn.one_hot(np.resize(classes, num_corners), len(names))
        condition = interpolate(weights, num, closed=config.loop)
        check_takes_class_weights(loaded, z, condition)
    num_sections = num_corners if config.loop else num_corners - 1
    return generate(loaded, z, condition), -(-num // num_sections)


def generate(loaded: Run, z: jax.Array, condition: Any) -> np.ndarray:
    """Returns float32 samples of given latent vectors `[num, dim]`."""
    state = loaded.state
    variables = state.g.variables if state.g_ema is None else state.g_ema
    return np.asarray(loaded.gan.generate(variables, z, condition), np.float32)


def check_takes_class_weights(loaded: Run, z: jax.Array, weights: jax.Array) -> None:
    """Raises ConfigError if the generator accepts class indices, but no weights of the classes."""
    try:
        jax.eval_shape(loaded.gan.generate, loaded.state.g.variables, z, weights)
    except (TypeError, ValueError) as error:
        raise ConfigError(
            "the generator accepts class indices, but no float weights [num, classes], so it "
            f"cannot interpolate between classes ({error}); give one --class"
        ) from error


def save_samples(path: Path, samples: np.ndarray, loaded: Run, caption: str, columns: int) -> None:
    """Writes samples in the format of the path's suffix, images with `columns` per row."""
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
    elif samples.shape[1:] == (len(POINTS),):
        figures.save_parabolas(path, samples, caption)
    elif samples.ndim != 4:
        raise ConfigError(
            f"out is {path}, but samples of shape {list(samples.shape[1:])} cannot be drawn, "
            "expected images, a mixture or parabolas; use a name ending in .npy"
        )
    elif path.suffix == ".gif":
        images.save_animation(path, to_pixels(samples))
    else:
        columns = min(columns, MAX_COLUMNS, len(samples))
        figures.save_image_grid(path, to_pixels(samples), caption, columns=columns)
