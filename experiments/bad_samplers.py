"""Scores deliberately bad samplers, to check that the scores detect each kind of failure.

The samplers are made from the data set itself: a single repeated image (mode collapse), copies of
training images (memorization), all classes but one, blurred images, noisy images. The result is a
Markdown table; the scores that must detect a sampler are bold.

    python -m experiments.bad_samplers --dataset mnist
"""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import jax.numpy as jnp
import numpy as np
from scipy import ndimage

from jaxgan.data.image_datasets import DEFAULT_DATA_DIR, load_split
from jaxgan.data.sources import from_pixels
from jaxgan.data.splits import Images
from jaxgan.evaluation import SCORES, Evaluator, format_mean_sem, markdown_table
from jaxgan.runs.command_line import exit_on_error, parse_cli
from jaxgan.runs.console import print_line
from jaxgan.runs.image_evaluation import FeaturesName, load_evaluator
from jaxgan.training.options import check_ranges

BLUR_SIGMA = 1.5  # pixels
NOISE_STD = 0.4  # of pixels in [-1, 1]
DETECTED_BY = {
    "collapsed": ("recall", "coverage", "modes_found", "kl_divergence", "intra_class_ssim"),
    "memorizing": ("nearest_distance", "copy_rate"),
    "missing class": ("frechet_distance", "coverage", "modes_found", "kl_divergence"),
    "blurred": ("frechet_distance", "kernel_distance", "precision", "density", "coverage"),
    "noisy": ("frechet_distance", "kernel_distance"),
}


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of the check."""

    dataset: str = "mnist"
    """mnist, fashion_mnist, kmnist, mnist_5k, digits, or another labeled data set prepared by
    TFDS."""
    data_dir: Path = DEFAULT_DATA_DIR
    """Directory of the prepared data sets."""
    num: int | None = None
    """Number of samples per sampler. Unset: 10,000, or half of the images of a smaller data set;
    5,000 with EfficientNet."""
    features: FeaturesName = "classifier"
    """Network whose features are compared; see the options of `jaxgan evaluate`."""

    def __post_init__(self):
        """Raises ConfigError if `num` is out of range."""
        check_ranges(self)


def main() -> None:
    """Scores every sampler and prints the table."""
    with exit_on_error():
        config = parse_cli(Config)
        data = load_split(config.dataset, config.data_dir)
        evaluator = load_evaluator(data, config.data_dir, config.num, config.features)
        scores = {
            name: evaluator.compute_scores(sample_fn(data, evaluator))
            for name, sample_fn in SAMPLERS.items()
        }
        print_line(format_table(scores, evaluator))


def draw_training_images(data: Images, evaluator: Evaluator) -> np.ndarray:
    """Draws reference images without replacement: float32 `[num_samples, H, W, C]` in [-1, 1]."""
    images = np.random.default_rng(2).permutation(evaluator.reference_images)
    return to_floats(images[: evaluator.num_samples])


def to_floats(images: np.ndarray) -> np.ndarray:
    """Converts uint8 pixels to float32 in [-1, 1]."""
    return np.asarray(from_pixels(jnp.asarray(images)))


def repeat_one_image(data: Images, evaluator: Evaluator) -> np.ndarray:
    """Repeats the first image."""
    return np.repeat(to_floats(data.images[:1]), evaluator.num_samples, axis=0)


def omit_first_class(data: Images, evaluator: Evaluator) -> np.ndarray:
    """Draws images of all classes but the one with the smallest label."""
    others = data.images[data.labels != data.labels.min()]
    others = np.random.default_rng(2).permutation(others)
    return to_floats(others[np.arange(evaluator.num_samples) % len(others)])


def draw_blurred_images(data: Images, evaluator: Evaluator) -> np.ndarray:
    """Draws training images and blurs them with a Gaussian filter."""
    images = draw_training_images(data, evaluator)
    return ndimage.gaussian_filter(images, (0, BLUR_SIGMA, BLUR_SIGMA, 0))


def draw_noisy_images(data: Images, evaluator: Evaluator) -> np.ndarray:
    """Draws training images and adds Gaussian noise to them."""
    images = draw_training_images(data, evaluator)
    noise = np.random.default_rng(3).normal(0, NOISE_STD, images.shape)
    return np.clip(images + noise, -1, 1).astype(np.float32)


SAMPLERS: dict[str, Callable[[Images, Evaluator], np.ndarray]] = {
    "collapsed": repeat_one_image,
    "memorizing": draw_training_images,
    "missing class": omit_first_class,
    "blurred": draw_blurred_images,
    "noisy": draw_noisy_images,
}


def format_table(scores: dict[str, dict[str, float]], evaluator: Evaluator) -> str:
    """Returns a Markdown table: one row per score, one column per sampler."""
    rows = []
    for name, draws in evaluator.real_baseline.items():
        spec = SCORES[name]
        cells = [format_mean_sem(np.array(draws), spec.digits)]
        for sampler, values in scores.items():
            cell = f"{values[name]:.{spec.digits}f}"
            cells.append(f"**{cell}**" if name in DETECTED_BY[sampler] else cell)
        rows.append([spec.label, *cells])
    return markdown_table(["", "real images", *scores], rows)


if __name__ == "__main__":
    main()
