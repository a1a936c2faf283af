"""Trains a GAN on Stacked MNIST and counts its modes as PacGAN does.

The data are color images with a random digit in each channel, so there are 1,000 modes, the triples
of digits. After training, 26,000 samples are classified channel by channel. The run prints the
number of modes found and the KL divergence of their frequencies from uniform ones, together with
the values of real images and with published values. The classifier is ours, trained on the digits,
so KL divergences differ a little from those with the classifiers of other authors.

`python -m experiments.stacked_mnist --preset tuned` trains the networks of `mnist_cnn` for 4,000
steps of 128 images, about 13 minutes on two 2.5 GHz CPU cores. Its learning rate falls linearly to
0; set --decay-steps together with --steps.

`python -m experiments.stacked_mnist` has the networks, optimizer and update order of PacGAN's DCGAN
and trains for 5,000 of its 100,000 steps; `--pack 2 --batch-size 128` gives the discriminator two
images at once.
"""

import dataclasses
import os
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

import numpy as np

from experiments import stacked_scores
from jaxgan import GAN, GANState, losses, make_gan, models, penalties, priors
from jaxgan._io import write_json
from jaxgan.data.classes import find_classes
from jaxgan.data.image_datasets import BUNDLED_DATASETS, DEFAULT_DATA_DIR, load_split
from jaxgan.data.sources import from_pixels
from jaxgan.data.splits import Images
from jaxgan.data.stacked_mnist import NUM_TRIPLES, draw_triples, stack_images, stacked_source
from jaxgan.diagnostics.probes import make_sample_probe
from jaxgan.distributed.multihost import is_primary_process
from jaxgan.errors import ConfigError, DataError
from jaxgan.evaluation.classifier import TrainedClassifier, load_or_train_classifier
from jaxgan.evaluation.samples import score_members
from jaxgan.plotting.callbacks import make_image_callback
from jaxgan.runs.command_line import exit_on_error, parse_cli
from jaxgan.runs.config import PRECISIONS, AdamOptions
from jaxgan.runs.console import print_line, progress_bar
from jaxgan.runs.finish import finish_run
from jaxgan.runs.image_runner import check_sample_shape
from jaxgan.runs.runner import plan_training, run_training
from jaxgan.runs.runtime import configure_jax
from jaxgan.training.rng import make_rng_streams

NUM_PROBE_IMAGES = 1_000
EXAMPLE_SEED = 2  # of triples for figures and probes


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(AdamOptions):
    """Options of the experiment; the defaults are those of the documented run."""

    preset: Literal["faithful", "tuned"] = "faithful"
    """faithful: PacGAN's DCGAN, without packing. tuned: the networks of mnist_cnn with R1, a
    falling learning rate and a moving average of the generator."""
    workdir: Path = Path("runs/stacked_mnist")
    dataset: str = "mnist"
    """Data set of the digits: grayscale images of 28x28 pixels in ten classes. The GAN is trained
    on the images of the training and of the test split, the classifier on the former."""
    data_dir: Path = DEFAULT_DATA_DIR
    """Directory of the prepared data sets."""
    steps: int | None = 5_000
    batch_size: int = 64
    g_steps: int = 2
    share_noise: bool = False
    networks: Literal["pacgan", "mnist_cnn"] = "pacgan"
    """The DCGAN of Lin et al. 2018, or the networks of mnist_cnn with three channels."""
    pack: int = 1
    """Images that the discriminator of PacGAN sees at once. Its batches have 64 packs: set
    --batch-size to 64 times this number."""
    r1_gamma: float = 0.0
    """Weight gamma of R1, the penalty on the discriminator's gradient at real images. 0: none."""
    penalty_batch_size: int | None = None
    """Real images of each batch on which R1 is computed. Unset, or above the batch size: all."""
    ema_half_life: float | None = None
    """Half-life, in images, of the exponential moving average of the generator; early in training,
    a tenth of the images so far. Samples and scores come from the average. Unset: no average."""
    learning_rate: float = 2e-4

    presets: ClassVar = {
        "tuned": dict(
            networks="mnist_cnn",
            steps=4_000,
            batch_size=128,
            g_steps=1,
            share_noise=True,
            r1_gamma=3.0,
            penalty_batch_size=16,
            ema_half_life=10_000.0,
            learning_rate=2e-3,
            d_learning_rate=1e-3,
            b1=0.0,
            b2=0.9,
            decay_steps=4_000,
        )
    }

    def __post_init__(self):
        """Raises ConfigError at the first option that is invalid."""
        super().__post_init__()
        object.__setattr__(self, "data_dir", Path(os.path.expanduser(self.data_dir)))
        if self.batch_size % self.pack:
            raise ConfigError(
                f"batch_size is {self.batch_size}, expected a multiple of pack, {self.pack}"
            )
        if self.pack > 1 and self.networks != "pacgan":
            raise ConfigError(
                f"pack is {self.pack} and networks is {self.networks}: only the networks of PacGAN "
                "take packs; set one of them to its default"
            )
        if self.pack > 1 and self.r1_gamma:
            raise ConfigError(
                f"r1_gamma is {self.r1_gamma} and pack is {self.pack}: the logit of a pack has no "
                "gradient at a single image; set one of them to its default"
            )


def build(config: Config) -> GAN:
    """Returns the GAN of a configuration."""
    dtypes = PRECISIONS[config.precision]
    d_tx, g_tx = config.make_optimizers()
    if config.networks == "pacgan":
        generator = models.PacDCGANGenerator(**dtypes)
        discriminator = models.PacDCGANDiscriminator(pack=config.pack, **dtypes)
    else:
        generator = models.ConvGenerator(channels=3, **dtypes)
        discriminator = models.ConvDiscriminator(**dtypes)
    penalty = penalties.r1(config.r1_gamma) if config.r1_gamma else None
    if penalty is not None and config.penalty_batch_size is not None:
        penalty = penalties.subsample(penalty, config.penalty_batch_size)
    return make_gan(
        generator=generator,
        discriminator=discriminator,
        loss=losses.non_saturating,
        d_tx=d_tx,
        g_tx=g_tx,
        prior=priors.uniform(100),
        penalty=penalty,
        field_transform=config.make_field_transform(),
        ema_half_life=config.ema_half_life,
    )


def main() -> None:
    """Parses the command line, trains, then measures and prints the result."""
    with exit_on_error():
        config = parse_cli(Config)
        configure_jax(config)
        gan, digits = build(config), load_digits(config)
        state, step = train_on_triples(config, gan, digits)
        finish_run(config, step, partial(report_scores, config, gan, state, digits))


def load_digits(config: Config) -> Images:
    """Returns the training split of the digits. Raises DataError if it is unsuitable."""
    digits = load_split(config.dataset, config.data_dir)
    num_classes = len(find_classes(digits.labels).labels)
    if digits.images.shape[1:] != (28, 28, 1) or num_classes != stacked_scores.NUM_CLASSES:
        raise DataError(
            f"{digits.name} has images of shape {list(digits.images.shape[1:])} in {num_classes} "
            "classes, expected [28, 28, 1] in 10; use mnist, fashion_mnist, kmnist, mnist_5k or "
            "digits"
        )
    return digits


def train_on_triples(config: Config, gan: GAN, digits: Images) -> tuple[GANState, int]:
    """Trains, or resumes; returns the final state and its train step."""
    images = add_test_images(digits, config)
    source = stacked_source(images, draw_triples(len(images)), config.batch_size)
    examples = stack_images(images, draw_triples(len(images), NUM_PROBE_IMAGES, EXAMPLE_SEED))
    check_sample_shape(gan, config.dataset, np.asarray(examples))
    plan_training(config, gan, source)  # checks the options before a classifier is trained
    evaluate = None
    if config.evaluate_every is not None and is_primary_process():
        evaluate = partial(
            stacked_scores.evaluate_gan,
            gan,
            load_digit_classifier(config, digits),
            config.num_seeds,
        )
    data = {"name": f"stacked {config.dataset}", "num_images": NUM_TRIPLES, "shape": [28, 28, 3]}
    return run_training(
        config,
        gan,
        source,
        data=data,
        make_draw_fn=partial(
            make_image_callback, real=np.asarray(examples[:64]), log_fn=print_line
        ),
        probe=make_sample_probe(gan, from_pixels(examples)),
        evaluate=evaluate,
    )


def add_test_images(digits: Images, config: Config) -> np.ndarray:
    """Returns the images of the training split and of the test split.

    The data sets that are part of an installed package have no test split.
    """
    if config.dataset in BUNDLED_DATASETS:
        return digits.images
    test = load_split(config.dataset, config.data_dir, "test")
    return np.concatenate([digits.images, test.images])


def load_digit_classifier(config: Config, digits: Images) -> TrainedClassifier:
    """Returns the classifier of the digits, trained on the training split and then cached."""
    with progress_bar(f"Training a classifier of {config.dataset}") as update:
        return load_or_train_classifier(config.dataset, config.data_dir, update, data=digits)


def report_scores(config: Config, gan: GAN, state: GANState, digits: Images) -> None:
    """Measures samples of each GAN, prints a table with published values, writes scores.json."""
    classifier = load_digit_classifier(config, digits)
    key = make_rng_streams(config.seed, config.num_seeds).eval
    scores = score_members(
        partial(stacked_scores.score_gan, gan, classifier), state, key, config.num_seeds
    )
    real, accuracy = stacked_scores.score_real_images(classifier, digits)
    expected = stacked_scores.compute_expected_scores()
    record = {
        "num_samples": stacked_scores.NUM_MEASURED,
        "scores": {name: values.tolist() for name, values in scores.items()},
        "real": real,
        "expected": expected,
        "classifier": {"checksum": classifier.checksum, "accuracy": classifier.accuracy},
        "triples_correct": accuracy,
        "published": [
            dict(zip(("system", "modes_found", "kl_divergence", "source"), row, strict=True))
            for row in stacked_scores.PUBLISHED
        ],
    }
    write_json(config.workdir / "scores.json", record, ensure_ascii=False)
    label = f"this {config.preset} run" + (f", pack {config.pack}" if config.pack > 1 else "")
    print_line(stacked_scores.format_scores(label, scores, real, expected))
    print_line(
        f"The classifier is correct for {classifier.accuracy:.2%} of the test digits and for "
        f"{accuracy:.2%} of real triples, which are drawn from the training split."
    )


if __name__ == "__main__":
    main()
