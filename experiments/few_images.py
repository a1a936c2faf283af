"""Trains on a few images with and without differentiable augmentation, and compares the samples.

    python -m experiments.few_images

The settings are those of `mnist_cnn --preset tuned`, except for batches of 64, a constant learning
rate of 1e-3, and a half-life of 5,000 images of the moving average. All runs are trained on the
same images, which are drawn at random from the data set; the runs of a variant differ in their
seed. The samples are scored against all images of the data set. A generator that imitates the
augmentation would generate shifted images or a gray background. The table therefore also gives the
brightness of the outermost pixels and the spread of the centers of mass, for the samples and for
real images.

The workdir receives README.md with the table, and samples.png. Run the same command again to resume
an interrupted comparison.
"""

import dataclasses
import json
from pathlib import Path
from typing import get_args

import numpy as np

from experiments import mnist_cnn
from experiments.shared import train_or_exit, write_protocol
from jaxgan._io import save_array, write_atomic
from jaxgan.augment import AugmentName
from jaxgan.data.image_datasets import DEFAULT_DATA_DIR, load_split
from jaxgan.data.sources import Source, array_source, default_repeats, to_pixels
from jaxgan.data.splits import Images
from jaxgan.errors import ConfigError
from jaxgan.evaluation import SCORES, Evaluator, format_mean_sem, markdown_table
from jaxgan.plotting import figures
from jaxgan.runs.command_line import exit_on_error, parse_cli
from jaxgan.runs.console import print_line
from jaxgan.runs.image_evaluation import load_evaluator
from jaxgan.runs.image_runner import check_sample_shape
from jaxgan.runs.runtime import configure_jax
from jaxgan.training import TrainOptions
from jaxgan.training.options import check_ranges
from jaxgan.training.rng import make_rng_streams

NUM_SHOWN, NUM_COLUMNS = 40, 20
NUM_MEASURED = 10_000  # real images whose borders and centers of mass are measured
SHOWN_SCORES = ("frechet_distance", "precision", "recall", "density", "coverage")
MEASUREMENTS = {
    "border": "brightness of the border (0 to 255)",
    "spread": "spread of the centers of mass (pixels)",
}


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of the comparison."""

    num_images: int = 500
    """Number of training images."""
    augment: tuple[AugmentName, ...] = ("color", "translation", "cutout")
    """Augmentations of the runs that are compared with runs without augmentation."""
    steps: int = 1_500
    """Train steps of each run."""
    batch_size: int = 64
    """Real images per update of the discriminator."""
    num_seeds: int = 5
    """Number of seeds per variant: SEED, SEED + 1, …"""
    seed: int = 0
    """First seed."""
    dataset: str = "mnist"
    """A labeled data set of 28x28 images; see the options of `mnist_cnn`."""
    data_dir: Path = DEFAULT_DATA_DIR
    """Directory of the prepared data sets."""
    workdir: Path = Path("runs/few_images")
    """Directory of the comparison. An interrupted comparison there is resumed."""

    def __post_init__(self):
        """Raises ConfigError if an option is out of range."""
        check_ranges(self)
        if not self.augment:
            names = ", ".join(get_args(AugmentName))
            raise ConfigError(
                f"augment names no augmentation, expected some of {names}; leave it out for the "
                "default"
            )


def main() -> None:
    """Trains and scores all runs, then writes the report."""
    with exit_on_error():
        config = parse_cli(Config)
        configure_jax(make_run_config(config, None, config.seed))
        data = load_split(config.dataset, config.data_dir)
        source = few_images_source(data, config)
        gan = mnist_cnn.build(make_run_config(config, None, config.seed))
        check_sample_shape(gan, data.name, data.images)
        names = ("num_images", "steps", "batch_size", "dataset")
        write_protocol(config.workdir, {name: getattr(config, name) for name in names})
        evaluator = load_evaluator(data, config.data_dir, features="classifier")
        variants = {"none": None, " ".join(config.augment): config.augment}
        scores, shown = {}, [("real images", data.images[:NUM_SHOWN])]
        for name, augment in variants.items():
            runs = [
                train_and_score(
                    make_run_config(config, augment, config.seed + i), source, evaluator, name
                )
                for i in range(config.num_seeds)
            ]
            scores[name] = {key: np.array([run[0][key] for run in runs]) for key in runs[0][0]}
            shown.append((f"augmentation: {name}", runs[0][1]))
        write_report(scores, shown, data, config, evaluator)
        print_line(f"The comparison is in {config.workdir}/README.md")


def few_images_source(data: Images, config: Config) -> Source:
    """Returns a source of images drawn at random. Raises ConfigError if there are too few."""
    if config.num_images > len(data.images):
        raise ConfigError(
            f"num_images is {config.num_images}, expected at most the {len(data.images)} images of "
            f"{data.name}; use fewer, or another --dataset"
        )
    chosen = np.random.default_rng(0).permutation(len(data.images))[: config.num_images]
    repeats = default_repeats(config.num_images)
    return array_source(data.images[chosen], config.batch_size, repeats=repeats)


def make_run_config(
    config: Config, augment: tuple[AugmentName, ...] | None, seed: int
) -> mnist_cnn.Config:
    """Returns the configuration of one run; `augment` is None for a run without augmentation."""
    return mnist_cnn.Config.from_preset(
        "tuned",
        augment=augment,
        seed=seed,
        steps=config.steps,
        batch_size=config.batch_size,
        learning_rate=1e-3,
        decay_steps=None,
        ema_half_life=5_000.0,
        dataset=config.dataset,
        workdir=config.workdir / f"{'-'.join(augment or ('none',))}-{seed}",
    )


def train_and_score(
    config: mnist_cnn.Config, source: Source, evaluator: Evaluator, name: str
) -> tuple[dict[str, float], np.ndarray]:
    """Returns the scores and measurements of a run, and some of its samples as pixels.

    They are read from the workdir if they exist. Otherwise the GAN is trained, or its training is
    resumed, and they are saved.
    """
    path, samples_path = config.workdir / "few_images.json", config.workdir / "samples.npy"
    if path.exists() and samples_path.exists():
        return json.loads(path.read_text()), np.load(samples_path)
    print_line(f"augmentation: {name}, seed {config.seed}")
    steps = config.total_steps(source.batches_per_epoch)
    gan, options = mnist_cnn.build(config), TrainOptions(steps=steps, seed=config.seed)
    state = train_or_exit(gan, source, config.workdir, options)
    samples = gan.sample(state, make_rng_streams(config.seed).eval, evaluator.num_samples)
    pixels = to_pixels(samples)
    scores = evaluator.compute_scores(samples) | measure_pixels(pixels)
    save_array(samples_path, pixels[:NUM_SHOWN])
    write_atomic(path, json.dumps(scores).encode())
    return scores, pixels[:NUM_SHOWN]


def measure_pixels(pixels: np.ndarray) -> dict[str, float]:
    """Measures what would change if the generator imitated the augmentation.

    Args:
      pixels: uint8 `[N, H, W, C]`.

    Returns:
      `border`: mean of the outermost pixels, 0 to 255. `spread`: root mean square distance, in
      pixels, of the centers of mass of the images from the mean center.
    """
    values = pixels.mean(-1)
    is_border = np.ones(values.shape[1:], bool)
    is_border[1:-1, 1:-1] = False
    mass = values + 1e-6  # puts the center of a black image in its middle
    total = mass.sum((1, 2))
    y = (mass.sum(2) * np.arange(mass.shape[1])).sum(1) / total
    x = (mass.sum(1) * np.arange(mass.shape[2])).sum(1) / total
    spread = np.sqrt(y.var() + x.var())
    return {"border": float(values[:, is_border].mean()), "spread": float(spread)}


def command_of(config: Config) -> str:
    """Returns the command of a comparison, with the options that differ from their defaults."""
    parts = ["python -m experiments.few_images"]
    for field in dataclasses.fields(config):
        value = getattr(config, field.name)
        if value != field.default and field.name not in ("data_dir", "workdir"):
            text = " ".join(value) if isinstance(value, tuple) else value
            parts.append(f"--{field.name.replace('_', '-')} {text}")
    return " ".join(parts)


def write_report(
    scores: dict[str, dict[str, np.ndarray]],
    shown: list[tuple[str, np.ndarray]],
    data: Images,
    config: Config,
    evaluator: Evaluator,
) -> None:
    """Writes README.md and samples.png."""
    rng = np.random.default_rng(1)
    chosen = rng.permutation(len(data.images))[:NUM_MEASURED]
    real = {name: np.array(values) for name, values in evaluator.real_baseline.items()}
    real |= {k: np.array([v]) for k, v in measure_pixels(data.images[chosen]).items()}
    header = ["augmentation", *(SCORES[name].label for name in SHOWN_SCORES)]
    header += MEASUREMENTS.values()
    rows = []
    for name, values in (*scores.items(), ("real images", real)):
        cells = [format_mean_sem(values[key], SCORES[key].digits) for key in SHOWN_SCORES]
        cells += [format_mean_sem(values[key], 2) for key in MEASUREMENTS]
        rows.append([name, *cells])
    text = (
        f"`{command_of(config)}`: {config.num_images} images of {config.dataset}, "
        f"{config.steps:,} train steps of {config.batch_size} images, {config.num_seeds} seeds, "
        f"mean ± standard error; {evaluator.num_samples:,} samples each, compared with "
        f"{len(data.images):,} images.\n\n"
    )
    title = f"{config.num_images} images of {config.dataset}, {config.steps:,} train steps"
    figures.save_labeled_rows(config.workdir / "samples.png", shown, title, columns=NUM_COLUMNS)
    page = text + markdown_table(header, rows) + "\n\n![samples](samples.png)\n"
    write_atomic(config.workdir / "README.md", page.encode())


if __name__ == "__main__":
    main()
