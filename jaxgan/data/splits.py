"""A split of an image data set: in memory, or on disk with random access."""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np


class Images(NamedTuple):
    """Images and labels of a split, in memory.

    Attributes:
      name: Name of the data set.
      images: uint8 `[N, H, W, C]`.
      labels: int32 `[N]`; all 0 if the data set has no integer label.
      class_names: The name of class 0, 1, …; None if the classes have no names.
      has_labels: Whether the data set has integer labels.
      record: See `Split`.
    """

    name: str
    images: np.ndarray
    labels: np.ndarray
    class_names: tuple[str, ...] | None = None
    has_labels: bool = True
    record: dict[str, Any] | None = None


class Split(NamedTuple):
    """A split on disk, with random access to its images.

    Attributes:
      name: Name of the data set.
      num: Number of images.
      read: `(indices [n]) -> Images`, which reads the images and labels with these indices, each
        from 0 to `num` - 1. It raises DataError if the files are corrupt.
      read_labels: `() -> int32 [num]`, which reads all labels without decoding the images.
      description: One line, such as "3,926 images in 12 classes, 64x64, RGB; 1 other file skipped".
      class_names: See `Images`.
      has_labels: See `Images`.
      record: For images from a path, a JSON-serializable description of how they were read:
        "path", "size", "channels", "skip_damaged", counts, "class_names", and "checksum", which
        covers all images and labels. None for a data set by name.
    """

    name: str
    num: int
    read: Callable[[Sequence[int] | np.ndarray], Images]
    read_labels: Callable[[], np.ndarray]
    description: str = ""
    class_names: tuple[str, ...] | None = None
    has_labels: bool = True
    record: dict[str, Any] | None = None
