"""Runs experiments on images: data sets, evaluation, and the training itself."""

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.data.image_datasets import Images, Split, open_split
from jaxgan.data.sources import array_source, default_repeats, from_pixels
from jaxgan.data.streaming import streaming_source
from jaxgan.diagnostics.probes import make_sample_probe
from jaxgan.distributed.multihost import broadcast_from_primary, is_primary_process
from jaxgan.distributed.sharding import select_member
from jaxgan.errors import DataError, ShapeError
from jaxgan.evaluation.classifier import load_or_train_classifier
from jaxgan.evaluation.evaluator import Evaluator, make_evaluator, resolve_num_samples
from jaxgan.gan import GAN
from jaxgan.plotting.callbacks import make_image_callback
from jaxgan.runs.config import ImageRunConfig
from jaxgan.runs.console import print_line, progress_bar
from jaxgan.runs.run_dir import find_existing_run
from jaxgan.runs.runner import run_training
from jaxgan.runs.runtime import configure_jax
from jaxgan.states import GANState

NUM_PROBE_IMAGES = 1_000

Config = TypeVar("Config", bound=ImageRunConfig)


def train_on_images(config: Config, build: Callable[[Config], GAN]) -> tuple[GANState, int]:
    """Trains the GAN that `build` makes of a configuration, or resumes, and says what it does.

    An epoch passes once through the data set, or several times through a small one, up to 60,000
    images.

    Returns:
      The state and the train step it is of; see `train`.

    Raises:
      JaxganError: If the configuration, the data and the workdir do not fit together; nothing in
        the workdir has been changed then.
    """
    configure_jax(config)
    existing = find_existing_run(config)
    dataset = config.dataset or (existing["data"]["name"] if existing else None)
    data, message = open_dataset_on_all(dataset, config.data_dir)
    print_line(f"Data: {message}")
    config = dataclasses.replace(config, dataset=data.name)
    repeats = default_repeats(data.num)
    if config.stream:
        source = streaming_source(
            lambda rows: data.read(rows).images, data.num, config.batch_size, repeats=repeats
        )
    else:
        source = array_source(data.read(range(data.num)).images, config.batch_size, repeats=repeats)
    examples = data.read(range(min(NUM_PROBE_IMAGES, data.num))).images
    gan = build(config)
    check_sample_shape(gan, data.name, examples)
    evaluator = None
    if config.evaluate_every is not None and is_primary_process():
        evaluator = load_evaluator(data.read(range(data.num)), config.data_dir)
    baseline = None if evaluator is None else evaluator.real_baseline
    evaluate = (
        None if evaluator is None else partial(evaluate_gan, gan, evaluator, config.num_seeds)
    )
    return run_training(
        config,
        gan,
        source,
        data={"name": data.name, "images": data.num, "shape": list(examples.shape[1:])},
        make_draw_fn=partial(make_image_callback, real_baseline=baseline, log_fn=print_line),
        probe=make_sample_probe(gan, from_pixels(jnp.asarray(examples))),
        evaluate=evaluate,
        epoch_note=f", {repeats} passes through the data" if repeats > 1 else "",
    )


def load_evaluator(data: Images, data_dir: Path, num_samples: int | None = None) -> Evaluator:
    """Returns the evaluator of a data set, with its classifier and baseline kept in `data_dir`.

    Shows progress while the classifier is trained. Raises what `load_or_train_classifier` and
    `make_evaluator` do.
    """
    resolve_num_samples(data, num_samples)  # refuse a bad number before training
    with progress_bar(f"Training a classifier of {data.name} for the evaluation") as update:
        classifier = load_or_train_classifier(data.name, data_dir, update, data=data)
    return make_evaluator(classifier, data, num_samples, cache=data_dir / "classifiers")


def evaluate_gan(
    gan: GAN, evaluator: Evaluator, num_seeds: int | None, state: GANState, key: jax.Array
) -> dict[str, float]:
    """Returns the scores of a GAN's samples; for a population, their means over the members."""
    if num_seeds is None:
        return evaluator.compute_scores(gan.sample(state, key, evaluator.num_samples))
    members = (select_member((state, key), i) for i in range(num_seeds))
    scores = [evaluate_gan(gan, evaluator, None, *member) for member in members]
    return {name: float(np.mean([each[name] for each in scores])) for name in scores[0]}


def open_dataset_on_all(name: str | None, data_dir: Path) -> tuple[Split, str]:
    """Opens a data set on every process, once the primary has chosen and prepared it.

    Returns:
      The training split, and a description of it.
    """
    data, message = open_dataset(name, data_dir) if is_primary_process() else (None, "")
    name = broadcast_from_primary("" if data is None else data.name)
    return data or open_split(name, data_dir), message


def open_dataset(name: str | None, data_dir: Path) -> tuple[Split, str]:
    """Opens the data set of a name; None stands for MNIST, or digits if it is not available.

    Returns:
      The training split, and a description of it.
    """
    try:
        data = open_split(name or "mnist", data_dir)
    except DataError as error:
        if name is not None:
            raise
        data = open_split("digits", data_dir)
        manual = data_dir.expanduser() / "downloads" / "manual" / "mnist"
        return data, (
            f"the {data.num:,} embedded digits, because MNIST is not available. To train on MNIST, "
            f"connect to a network, or put its four files into {manual}.\n({error})"
        )
    return data, f"{data.name}, {data.num:,} images"


def check_sample_shape(gan: GAN, name: str, images: np.ndarray) -> None:
    """Raises DataError if the networks are for images of another shape than the data set's."""
    real = jax.ShapeDtypeStruct((1, *images.shape[1:]), jnp.float32)
    try:
        jax.eval_shape(gan.init, jax.random.key(0), real)
    except ShapeError as error:
        raise DataError(
            f"data set {name} does not fit: {error}, or use another data set"
        ) from error
