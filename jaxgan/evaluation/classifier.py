"""The classifier that the metrics see with: trained once from a fixed seed, then kept with the prepared data."""

import hashlib
import io
import zipfile
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import traverse_util

from jaxgan._io import write_atomic
from jaxgan.data.image_datasets import Images, load_split
from jaxgan.data.sources import array_source, default_repeats, from_pixels
from jaxgan.errors import DataError
from jaxgan.models.classifier import Classifier

NUM_EPOCHS = 4
BATCH_SIZE = 128
LEARNING_RATE = 2e-3
EVAL_BATCH_SIZE = 500  # images that go through the classifier at once
TEST_EVERY = 6  # of a set without a test split, every sixth image is for testing


class ClassifierOutputs(NamedTuple):
    """What the classifier makes of images. `features`: `[N, F]`; `logits`: `[N, K]`, of the classes."""

    features: jax.Array
    logits: jax.Array


class TrainedClassifier(NamedTuple):
    """A trained classifier.

    Attributes:
      outputs: `(images) -> Outputs`, of images `[N, H, W, C]`, uint8 or floating in [-1, 1].
      classes: how many.
      accuracy: share of the test images that it gets right.
      digest: of its parameters.
    """

    outputs: Callable[[jax.typing.ArrayLike], ClassifierOutputs]
    classes: int
    accuracy: float
    digest: str


def load_or_train_classifier(
    name: str,
    data_dir: Path,
    report: Callable[[int, int], None] = lambda done, steps: None,
    *,
    overwrite: bool = False,
) -> TrainedClassifier:
    """The classifier of a set: the one kept in `data_dir/classifiers/NAME.npz`, or else a new one, then kept there.

    Args:
      name: of a set with labels.
      data_dir: where sets are prepared.
      report: called with (train steps done, train steps in all), where a classifier has to be trained.
      overwrite: train a new one in any case.

    Raises:
      DataError: The set cannot be had, or has no labels; or the file is damaged, or cannot be written.
    """
    path = data_dir.expanduser() / "classifiers" / f"{name}.npz"
    if overwrite or not path.exists():
        train, test = train_test_split(name, data_dir)
        params, classes = train_classifier(train, report)
        accuracy = compute_accuracy(params, classes, test)
        save_classifier(path, params, accuracy)
    return load_classifier(path)


def train_test_split(name: str, data_dir: Path) -> tuple[Images, Images]:
    """The images to train on and to test on: the set's own splits, or else every sixth image of it to test on."""
    train = load_split(name, data_dir)
    if not train.labels.any():
        raise DataError(
            f"{name} has no labels, so no classifier can be trained on it; take another set"
        )
    try:
        return train, load_split(name, data_dir, "test")
    except DataError:
        held_out = np.arange(len(train.images)) % TEST_EVERY == 0
        kept, tested = (
            Images(name, train.images[some], train.labels[some]) for some in (~held_out, held_out)
        )
        return kept, tested


def train_classifier(
    data: Images, report: Callable[[int, int], None] = lambda done, steps: None
) -> tuple[Any, int]:
    """Trains a classifier by Adam, its rate falling along a cosine; from a fixed seed.

    Returns:
      Its parameters, and the number of classes.
    """
    classes = int(data.labels.max()) + 1
    model = Classifier(classes)
    apply: Callable[..., Any] = model.apply
    repeats = default_repeats(len(data.images))
    source = array_source(
        data.images, min(BATCH_SIZE, len(data.images)), labels=data.labels, repeats=repeats
    )
    init_key, order_key, batch_key = jax.random.split(jax.random.key(0), 3)
    init, order_of = jax.jit(partial(model.init, train=True)), jax.jit(source.order)
    params = init(init_key, from_pixels(jnp.asarray(data.images[:1])))["params"]
    tx = optax.adam(
        optax.cosine_decay_schedule(LEARNING_RATE, NUM_EPOCHS * source.batches_per_epoch)
    )

    def loss(params, images, labels):
        _, logits = apply({"params": params}, images, train=True)
        return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(logits, labels))

    @partial(jax.jit, donate_argnums=0)
    def block(state, arrays, order, begin, end):
        def step(index, state):
            images, labels = source.batch(arrays, order, jax.random.clone(batch_key), index)
            updates, opt_state = tx.update(
                jax.grad(loss)(state[0], images, labels), state[1], state[0]
            )
            return optax.apply_updates(state[0], updates), opt_state

        return jax.lax.fori_loop(begin, end, step, state)

    state, steps = (params, tx.init(params)), NUM_EPOCHS * source.batches_per_epoch
    for epoch in range(NUM_EPOCHS):
        order = order_of(jax.random.clone(order_key), jnp.int32(epoch))
        for begin in range(0, source.batches_per_epoch, 50):
            end = min(begin + 50, source.batches_per_epoch)
            state = jax.block_until_ready(
                block(state, source.arrays, order, jnp.int32(begin), jnp.int32(end))
            )
            report(epoch * source.batches_per_epoch + end, steps)
    return state[0], classes


def make_classifier_fn(
    params: Any, classes: int
) -> Callable[[jax.typing.ArrayLike], ClassifierOutputs]:
    """A function that puts any number of images through the classifier, a block at a time."""
    apply: Callable[..., Any] = Classifier(classes, dtype=jnp.float32).apply

    @jax.jit
    def one(params, images):
        images = from_pixels(images) if images.dtype == jnp.uint8 else images
        return ClassifierOutputs(*apply({"params": params}, images, train=False))

    def outputs(images):
        images = jnp.asarray(images)
        rest = -len(images) % EVAL_BATCH_SIZE
        images = jnp.pad(images, ((0, rest), (0, 0), (0, 0), (0, 0)))
        blocks = [
            one(params, images[i : i + EVAL_BATCH_SIZE])
            for i in range(0, len(images), EVAL_BATCH_SIZE)
        ]
        return jax.tree.map(lambda *parts: jnp.concatenate(parts)[: len(images) - rest], *blocks)

    return outputs


def compute_accuracy(params: Any, classes: int, data: Images) -> float:
    """The share of the images that the classifier gets right."""
    logits = make_classifier_fn(params, classes)(data.images).logits
    return float(np.mean(np.argmax(logits, axis=1) == data.labels))


def save_classifier(path: Path, params: Any, accuracy: float) -> None:
    """Keeps a classifier in one file."""
    arrays: dict[str, Any] = {
        name: np.asarray(x) for name, x in traverse_util.flatten_dict(params, sep="/").items()
    }
    buffer = io.BytesIO()
    np.savez(buffer, accuracy=accuracy, **arrays)
    try:
        write_atomic(path, buffer.getvalue())
    except OSError as error:
        raise DataError(
            f"the classifier cannot be kept in {path}: {error}; choose another data_dir"
        ) from error


def load_classifier(path: Path) -> TrainedClassifier:
    """A classifier from its file."""
    content = path.read_bytes()
    try:
        with np.load(io.BytesIO(content)) as file:
            arrays = {name: file[name] for name in file.files}
        accuracy = float(arrays.pop("accuracy"))
        params = traverse_util.unflatten_dict(
            {name: jnp.asarray(x) for name, x in arrays.items()}, sep="/"
        )
        classes = len(params["Dense_1"]["bias"])
    except (ValueError, KeyError, OSError, EOFError, zipfile.BadZipFile) as error:
        raise DataError(f"{path} is damaged ({error}); remove it, and it is made again") from error
    digest = hashlib.blake2b(content, digest_size=8).hexdigest()
    return TrainedClassifier(make_classifier_fn(params, classes), classes, accuracy, digest)
