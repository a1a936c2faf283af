"""Shows that the scores can be trusted: each kind of bad sampler is caught by the score that should.

The samplers are made of the data itself: one image over and over, copies of training images, a class that is missing,
blurred images, noisy ones. The table is Markdown, with the figures that catch a sampler in bold.
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from rich.console import Console
from scipy import ndimage

from jaxgan.data.image_datasets import DEFAULT_DATA_DIR, Images, load_split
from jaxgan.data.sources import from_pixels
from jaxgan.evaluation.evaluator import SCORES, Evaluator
from jaxgan.evaluation.tables import format_mean_sem, markdown_table
from jaxgan.runs.command_line import exit_on_error, parse_cli
from jaxgan.runs.config import check_ranges
from jaxgan.runs.console import print_line
from jaxgan.runs.image_runner import load_evaluator

CATCHES = {
    "collapsed": ("recall", "coverage", "modes", "divergence", "sameness"),
    "memorising": ("nearest", "copies"),
    "without a class": ("frechet", "coverage", "modes", "divergence"),
    "blurred": ("frechet", "kernel", "precision", "density", "coverage"),
    "noisy": ("frechet", "kernel"),
}


@dataclasses.dataclass(frozen=True)
class Config:
    """What to make the samplers of."""

    dataset: str = "mnist"
    """mnist, fashion_mnist, kmnist, digits, or another set with labels that TFDS has prepared."""
    data_dir: Path = DEFAULT_DATA_DIR
    """Folder of the prepared data sets."""
    num: int | None = None
    """Samples of each. Unset: 10,000, or half of a small set."""

    def __post_init__(self):
        """Raises ConfigError where the number will not do."""
        check_ranges(self)


def main() -> None:
    """Judges them as the command line says."""
    with exit_on_error():
        config = parse_cli(Config)
        data = load_split(config.dataset, config.data_dir)
        judge = load_evaluator(data, config.data_dir, config.num)
        found = {name: judge.scores(make(data, judge)) for name, make in SAMPLERS.items()}
        print_line(Console(), table(found, judge))


def some(data: Images, judge: Evaluator) -> np.ndarray:
    """Training images, float32 `[num, H, W, C]` in [-1, 1], drawn at random."""
    return scaled(np.random.default_rng(2).permutation(judge.images)[: judge.num])


def scaled(images: np.ndarray) -> np.ndarray:
    """uint8 to float32 in [-1, 1]."""
    return np.asarray(from_pixels(jnp.asarray(images)))


def collapsed(data: Images, judge: Evaluator) -> np.ndarray:
    """One image over and over."""
    return np.repeat(scaled(data.images[:1]), judge.num, axis=0)


def without_a_class(data: Images, judge: Evaluator) -> np.ndarray:
    """Images of all classes but the first."""
    others = np.random.default_rng(2).permutation(data.images[data.labels != 0])
    return scaled(others[np.arange(judge.num) % len(others)])


def blurred(data: Images, judge: Evaluator) -> np.ndarray:
    """Images out of focus."""
    return ndimage.gaussian_filter(some(data, judge), (0, 1.5, 1.5, 0))


def noisy(data: Images, judge: Evaluator) -> np.ndarray:
    """Images with noise of standard deviation 0.4."""
    images = some(data, judge)
    noise = np.random.default_rng(3).normal(0, 0.4, images.shape)
    return np.clip(images + noise, -1, 1).astype(np.float32)


SAMPLERS: dict[str, Callable[[Images, Evaluator], np.ndarray]] = {
    "collapsed": collapsed,
    "memorising": some,
    "without a class": without_a_class,
    "blurred": blurred,
    "noisy": noisy,
}


def table(found: dict[str, dict[str, float]], judge: Evaluator) -> str:
    """Markdown: a line for each score, a column for each sampler."""
    lines = []
    for name, measure in SCORES.items():
        cells = [f"{values[name]:.{measure.digits}f}" for values in found.values()]
        marked = [
            f"**{c}**" if name in CATCHES[s] else c for s, c in zip(found, cells, strict=True)
        ]
        lines.append(
            [
                measure.label,
                format_mean_sem(np.array(judge.real_baseline[name]), measure.digits),
                *marked,
            ]
        )
    return markdown_table(["", "perfect", *found], lines)


if __name__ == "__main__":
    main()
