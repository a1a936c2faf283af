"""The classifier whose features and logits the scores are computed from.

It is trained once on a labeled data set, from a fixed seed, and cached next to the prepared data.
The name of the cache file contains a checksum of the training data, so if a data set is replaced
under the same name, a new classifier is trained.
"""

import contextlib
import hashlib
import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from flax import traverse_util

from jaxgan._io import write_atomic
from jaxgan.data.classes import find_classes, index_labels
from jaxgan.data.image_datasets import load_split
from jaxgan.data.sources import from_pixels
from jaxgan.data.splits import Images
from jaxgan.errors import DataError
from jaxgan.evaluation.classifier_training import train_classifier
from jaxgan.metrics import ssim
from jaxgan.models.classifier import Classifier

EVAL_BATCH_SIZE = 500  # images per forward pass
TEST_EVERY = 6  # if a data set has no test split, every sixth training image is held out
MIN_EVALUATION_IMAGES = 200  # at least 100 samples are scored, and at most half of the images


class NetworkOutputs(NamedTuple):
    """Outputs of a network: `features [N, F]` of the last hidden layer, and `logits [N, K]`.

    A network that was not trained on the classes of the data set has no logits (None).
    """

    features: jax.Array
    logits: jax.Array | None


class TrainedClassifier(NamedTuple):
    """A trained classifier, and a record of what it was trained on.

    Attributes:
      description: What it is, in words.
      extract: `(images [N, H, W, C]) -> NetworkOutputs`; images are uint8, or floating in
        [-1, 1]. N is arbitrary: the images are processed in batches.
      num_classes: Number of classes K.
      accuracy: Fraction of test images that are classified correctly, 0 to 1.
      class_accuracy: `[K]`, the same for the test images of each class; NaN if there are none.
      checksum: Checksum of the cache file, and so of the parameters.
      data_checksum: `compute_data_checksum` of the training split.
    """

    description: str
    extract: Callable[[jax.typing.ArrayLike], NetworkOutputs]
    num_classes: int
    accuracy: float
    class_accuracy: tuple[float, ...]
    checksum: str
    data_checksum: str


def load_or_train_classifier(
    name: str,
    data_dir: Path,
    progress_fn: Callable[[int, int], None] = lambda done, total: None,
    *,
    data: Images | None = None,
    overwrite: bool = False,
) -> TrainedClassifier:
    """Loads the cached classifier of a data set, or trains and caches one.

    The cache file is `data_dir/classifiers/NAME-CHECKSUM.npz`, with the checksum of the training
    split.

    Args:
      name: Name of a labeled data set.
      data_dir: Directory of the prepared data sets.
      progress_fn: Called with (steps done, total steps) while a classifier is trained.
      data: The training split, if it is already in memory. None to read it from `data_dir`.
      overwrite: Train a new classifier even if one is cached.

    Raises:
      DataError: If the data set is not available or is unsuitable (see `check_evaluation_data`;
        it must also have labels of at least two classes), or if the cache file is corrupt or
        cannot be written.
    """
    data = load_split(name, data_dir) if data is None else data
    check_evaluation_data(data)
    class_labels = find_class_labels(data)
    data_checksum = compute_data_checksum(data)
    path = Path(os.path.expanduser(data_dir)) / "classifiers" / f"{name}-{data_checksum}.npz"
    if overwrite or not path.exists():
        train, test = (
            split._replace(labels=index_labels(split.labels, class_labels))
            for split in split_train_test(data, data_dir)
        )
        params = train_classifier(train, len(class_labels), progress_fn)
        accuracies = compute_accuracies(params, len(class_labels), test)
        save_classifier(path, params, *accuracies, data_checksum)
    return load_classifier(path)


def check_evaluation_data(data: Images, *, classify: bool = True) -> None:
    """Raises DataError if a set has fewer than 200 images, or images below 11x11 pixels.

    Small images are accepted if they are not scored by classes, so not compared by SSIM.
    """
    num, height, width = data.images.shape[:3]
    if num < MIN_EVALUATION_IMAGES:
        raise DataError(
            f"{data.name} has {num} images; evaluation needs at least {MIN_EVALUATION_IMAGES}. "
            "Use a larger data set, or train without evaluation"
        )
    min_size = ssim.WINDOW_SIZE
    if classify and min(height, width) < min_size:
        raise DataError(
            f"{data.name} has images of {height}x{width} pixels; evaluation needs at least "
            f"{min_size}x{min_size}. Use another data set, or train without evaluation"
        )


def find_class_labels(data: Images) -> np.ndarray:
    """Returns the distinct labels of a set, ascending. Raises DataError if there is only one."""
    class_labels = find_classes(data.labels).labels
    if len(class_labels) < 2:
        # Sets without an integer label have the label 0 everywhere.
        problem = "no labels, or only one class" if class_labels[0] == 0 else "only one class"
        raise DataError(
            f"{data.name} has {problem} (every label is {class_labels[0]}); a classifier needs at "
            "least two classes. Use another data set, or train without evaluation"
        )
    return class_labels


def compute_data_checksum(data: Images) -> str:
    """Returns a 32-bit BLAKE2b checksum of the images, the labels and their shapes, in hex."""
    checksum = hashlib.blake2b(digest_size=4)
    for array in (data.images, data.labels):
        checksum.update(f"{array.dtype}{array.shape}".encode())
        checksum.update(np.ascontiguousarray(array).data)
    return checksum.hexdigest()


def split_train_test(data: Images, data_dir: Path) -> tuple[Images, Images]:
    """Returns the images to train on and to test on.

    The test images are the set's own test split. If there is none, as for images from a path, every
    sixth image of the training split is held out.
    """
    if data.record is None:
        with contextlib.suppress(DataError):
            return data, load_split(data.name, data_dir, "test")
    held_out = np.arange(len(data.images)) % TEST_EVERY == 0
    return select_images(data, ~held_out), select_images(data, held_out)


def select_images(data: Images, rows: np.ndarray) -> Images:
    """Returns the images and labels of the given rows (indices, or a mask)."""
    return data._replace(images=data.images[rows], labels=data.labels[rows])


def make_extract_fn(
    params: Any, num_classes: int
) -> Callable[[jax.typing.ArrayLike], NetworkOutputs]:
    """Returns the function `extract` of a `TrainedClassifier`."""
    apply: Callable[..., Any] = Classifier(num_classes=num_classes, dtype=jnp.float32).apply

    @jax.jit
    def extract_batch(params, images):
        images = from_pixels(images) if images.dtype == jnp.uint8 else images
        return NetworkOutputs(*apply({"params": params}, images, train=False))

    def extract(images):
        images = jnp.asarray(images)
        num = len(images)
        # The last batch is padded, so that every batch has one shape and runs the same program.
        images = jnp.pad(images, ((0, -num % EVAL_BATCH_SIZE), (0, 0), (0, 0), (0, 0)))
        batches = [
            extract_batch(params, images[i : i + EVAL_BATCH_SIZE])
            for i in range(0, len(images), EVAL_BATCH_SIZE)
        ]
        return jax.tree.map(lambda *parts: jnp.concatenate(parts)[:num], *batches)

    return extract


def compute_accuracies(params: Any, num_classes: int, data: Images) -> tuple[float, np.ndarray]:
    """Returns the accuracy, and that of each class `[K]`; see `TrainedClassifier`."""
    logits = np.asarray(make_extract_fn(params, num_classes)(data.images).logits)
    is_correct = np.argmax(logits, axis=1) == data.labels
    by_class = [is_correct[data.labels == k] for k in range(num_classes)]
    class_accuracy = [np.mean(part) if len(part) else np.nan for part in by_class]
    return float(np.mean(is_correct)), np.array(class_accuracy)


def save_classifier(
    path: Path, params: Any, accuracy: float, class_accuracy: np.ndarray, data_checksum: str
) -> None:
    """Writes a classifier to one file. Raises DataError if the file cannot be written."""
    arrays: dict[str, Any] = {
        name: np.asarray(x) for name, x in traverse_util.flatten_dict(params, sep="/").items()
    }
    buffer = io.BytesIO()
    record = {"accuracy": accuracy, "class_accuracy": class_accuracy}
    np.savez(buffer, data_checksum=data_checksum, **record, **arrays)
    try:
        write_atomic(path, buffer.getvalue())
    except OSError as error:
        raise DataError(
            f"the classifier cannot be written to {path}: {error}. Use a writable data_dir"
        ) from error


def load_classifier(path: Path) -> TrainedClassifier:
    """Reads a classifier written by `save_classifier`. Raises DataError if the file is corrupt."""
    content = path.read_bytes()
    try:
        with np.load(io.BytesIO(content)) as file:
            arrays = {name: file[name] for name in file.files}
        accuracy = float(arrays.pop("accuracy"))
        class_accuracy = tuple(arrays.pop("class_accuracy").tolist())
        data_checksum = str(arrays.pop("data_checksum"))
        params = traverse_util.unflatten_dict(
            {name: jnp.asarray(x) for name, x in arrays.items()}, sep="/"
        )
        num_classes = len(params["Dense_1"]["bias"])
    except Exception as error:  # NumPy and zipfile raise errors of many types for corrupt files
        raise DataError(
            f"{path} is corrupt ({error}). Remove it to train the classifier again"
        ) from error
    return TrainedClassifier(
        description=f"a classifier trained on the data set (test accuracy {accuracy:.2%})",
        extract=make_extract_fn(params, num_classes),
        num_classes=num_classes,
        accuracy=accuracy,
        class_accuracy=class_accuracy,
        checksum=hashlib.blake2b(content, digest_size=8).hexdigest(),
        data_checksum=data_checksum,
    )
