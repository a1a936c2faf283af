"""The classes of a data set: indices 0 to K - 1, names and frequencies."""

from collections.abc import Sequence
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.data.message_parts import list_first
from jaxgan.errors import ConfigError


class Classes(NamedTuple):
    """The K classes of a data set, in ascending order of their labels.

    Attributes:
      labels: `[K]`, the label of each class, any integers.
      names: The name of each class: that of the data set, or the label as text.
      counts: The number of images of each class, at least 1.
    """

    labels: np.ndarray
    names: tuple[str, ...]
    counts: tuple[int, ...]


def find_classes(labels: np.ndarray, class_names: tuple[str, ...] | None = None) -> Classes:
    """Returns the classes that occur in a data set.

    Args:
      labels: `[N]`, integers.
      class_names: The name of label 0, 1, …; None if the classes have no names.
    """
    class_labels, counts = np.unique(labels, return_counts=True)
    named = dict(enumerate(class_names or ()))
    names = tuple(named.get(int(label), str(label)) for label in class_labels)
    return Classes(class_labels, names, tuple(counts.tolist()))


def index_labels(labels: np.ndarray, class_labels: np.ndarray) -> np.ndarray:
    """Maps arbitrary integer labels to class indices 0 to K - 1.

    Args:
      labels: `[N]`, integers.
      class_labels: `[K]`, the label of each class, ascending.

    Returns:
      int32 `[N]`; -1 for a label that is not among `class_labels`.
    """
    indices = np.minimum(np.searchsorted(class_labels, labels), len(class_labels) - 1)
    return np.where(class_labels[indices] == labels, indices, -1).astype(np.int32)


def draw_condition(
    key: jax.Array, class_counts: Sequence[int] | None, num: int
) -> tuple[jax.Array, jax.Array | None]:
    """Draws the classes of `num` samples by the frequency of the classes in the data.

    Args:
      key: A typed PRNG key, which is consumed.
      class_counts: `[K]`, the number of images of each class; None for an unconditional GAN.
      num: Number of samples.

    Returns:
      A key for the samples, and their classes, int32 `[num]`. For an unconditional GAN these are
      `key` itself and None.
    """
    if class_counts is None:
        return key, None
    class_key, key = jax.random.split(key)
    logits = jnp.log(jnp.asarray(class_counts, jnp.float32))
    return key, jax.random.categorical(class_key, logits, shape=(num,)).astype(jnp.int32)


def check_class_indices(condition: jax.typing.ArrayLike, class_names: tuple[str, ...]) -> None:
    """Raises ConfigError if integer conditions are not class indices; others are not checked."""
    values = np.asarray(condition)
    if not np.issubdtype(values.dtype, np.integer) or not values.size:
        return
    low, high = values.min(), values.max()
    if low < 0 or high >= len(class_names):
        wrong = low if low < 0 else high
        raise ConfigError(
            f"condition has the class {wrong}, expected indices from 0 to {len(class_names) - 1}: "
            f"{list_classes(class_names)}"
        )


def find_class(text: str, class_names: tuple[str, ...]) -> int:
    """Returns the index of a class, given by its name or its index; names take precedence.

    Raises:
      ConfigError: If there is no such class.
    """
    if text in class_names:
        return class_names.index(text)
    if text.isdecimal() and int(text) < len(class_names):
        return int(text)
    raise ConfigError(f"class {text!r} is unknown, expected one of {list_classes(class_names)}")


def list_classes(class_names: tuple[str, ...], num: int = 20) -> str:
    """Returns the first `num` classes as text: indices, with their names where these differ."""
    texts = [name if name == str(i) else f"{i} {name}" for i, name in enumerate(class_names)]
    return list_first(texts, num)
