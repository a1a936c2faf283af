"""TODO."""

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console

from jaxgan.data.image_datasets import Images, Split, open_split
from jaxgan.data.sources import array_source, default_repeats, from_pixels
from jaxgan.data.streaming import streaming_source
from jaxgan.diagnostics.probes import make_sample_probe
from jaxgan.distributed.multihost import broadcast_from_primary, is_primary_process
from jaxgan.distributed.sharding import select_member
from jaxgan.errors import DataError, ShapeError
from jaxgan.evaluation.classifier import load_or_train_classifier
from jaxgan.evaluation.evaluator import Evaluator, make_evaluator
from jaxgan.gan import GAN
from jaxgan.plotting.callbacks import make_image_callback
from jaxgan.runs import run_dir
from jaxgan.runs.console import print_line, progress_bar
from jaxgan.runs.runner import Config, run_training
from jaxgan.runs.runtime import configure_jax
from jaxgan.states import GANState

NUM_PROBE_IMAGES = 1_000


def train_on_images(settings: Config, build: Callable[[Config], GAN]) -> None:
    """Trains the GAN that `build` makes of the settings, or goes on training it, and says what it does.

    An epoch goes through the set once, or through a small one as many times as 60,000 images allow.

    Raises:
      JaxganError: where the settings, the data or the folder will not do; before anything that is saved is touched.
    """
    configure_jax(settings)
    before = run_dir.find_existing_run(settings)
    wanted = settings.dataset or (before["data"]["name"] if before else None)
    data, said = open_dataset_on_all(wanted, settings.data_dir)
    print_line(Console(), f"Data: {said}")
    settings = dataclasses.replace(settings, dataset=data.name)
    repeats = default_repeats(data.num)
    everything = range(data.num)
    if settings.stream:
        source = streaming_source(
            lambda rows: data.read(rows).images, data.num, settings.batch_size, repeats=repeats
        )
    else:
        source = array_source(data.read(everything).images, settings.batch_size, repeats=repeats)
    probed = data.read(range(min(NUM_PROBE_IMAGES, data.num))).images
    gan = build(settings)
    check_sample_shape(gan, data.name, probed)
    judges = settings.evaluate_every is not None and is_primary_process()
    # Read again, because nothing else keeps them.
    judge = load_evaluator(data.read(everything), settings.data_dir) if judges else None
    run_training(
        settings,
        gan,
        source,
        data={"name": data.name, "images": data.num, "shape": list(probed.shape[1:])},
        probe=make_sample_probe(gan, from_pixels(jnp.asarray(probed))),
        drawer=partial(make_image_callback, perfect=None if judge is None else judge.real_baseline),
        score=None if judge is None else partial(evaluate_gan, gan, judge, settings.seeds),
        score_every=settings.evaluate_every or 1,
        epoch=f", {repeats} times through the set" if repeats > 1 else "",
    )


def load_evaluator(data: Images, data_dir: Path, num: int | None = None) -> Evaluator:
    """What judges samples that should be like the data, with what it needs kept in `data_dir/classifiers/`.

    Says what it is waiting for. Raises what `features_of` and `make_judge` do.
    """
    console = Console()
    with progress_bar(console, f"Training a classifier of {data.name}, to judge by") as report:
        features = load_or_train_classifier(data.name, data_dir, report)
    return make_evaluator(features, data, num, cache=data_dir.expanduser() / "classifiers")


def evaluate_gan(
    gan: GAN, judge: Evaluator, seeds: int | None, state: GANState, key: jax.Array
) -> dict[str, float]:
    """What a GAN's samples score, or on average those of each of a population."""
    if seeds is None:
        return judge.scores(gan.sample(state, key, judge.num))
    found = [evaluate_gan(gan, judge, None, *select_member((state, key), i)) for i in range(seeds)]
    return {name: float(np.mean([values[name] for values in found])) for name in found[0]}


def open_dataset_on_all(name: str | None, data_dir: Path) -> tuple[Split, str]:
    """What the first process chooses and prepares, for all processes; and what to say of it."""
    data, said = open_dataset(name, data_dir) if is_primary_process() else (None, "")
    name = broadcast_from_primary("" if data is None else data.name)
    return data or open_split(name, data_dir), said


def open_dataset(name: str | None, data_dir: Path) -> tuple[Split, str]:
    """The set of that name, or MNIST where it can be had and the embedded digits where not; and what to say of it."""
    try:
        data = open_split(name or "mnist", data_dir)
    except DataError as error:
        if name is not None:
            raise
        data = open_split("digits", data_dir)
        manual = data_dir / "downloads" / "manual" / "mnist"
        how = f"To train on MNIST, connect to a network, or put its four files into {manual}"
        return (
            data,
            f"the {data.num:,} embedded digits, because MNIST cannot be had. {how}.\n({error})",
        )
    return data, f"{data.name}, {data.num:,} images"


def check_sample_shape(gan: GAN, name: str, images: np.ndarray) -> None:
    """Raises DataError where the networks are for images of another shape than the set of that name has."""
    real = jax.ShapeDtypeStruct((1, *images.shape[1:]), jnp.float32)
    try:
        jax.eval_shape(gan.init, jax.random.key(0), real)
    except ShapeError as error:
        raise DataError(f"{name} does not fit: {error}, or take another set") from error
