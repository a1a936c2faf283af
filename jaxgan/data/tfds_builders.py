"""TFDS builders of MNIST and its kin, none of which needs TensorFlow, and `prepare`, which runs them.

Unlike the stock ones they store images as plain bytes, so that nothing has to decode PNG, and in their original order.
Their version is one that stock TFDS has never used: both may share a data_dir and never meet in one folder.
"""

import contextlib
import gzip
import io
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core.download import checksums

from jaxgan.data.download import download_file
from jaxgan.errors import DataError

OFFICIAL = {  # the addresses under which TFDS has registered checksums
    "mnist": "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "fashion_mnist": "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "kmnist": "http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
}
URLS = dict(
    OFFICIAL
)  # where files are fetched from; put a mirror here, the checksums remain the official ones
FILES = [
    f"{split}-{kind}-ubyte.gz"
    for split in ("train", "t10k")
    for kind in ("images-idx3", "labels-idx1")
]


class IdxImages(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """28x28 grey images in 10 classes, from four gzipped IDX files. A subclass is named after its set."""

    VERSION = tfds.core.Version("0.1.0")

    def _info(self):
        image = tfds.features.Tensor(shape=(28, 28, 1), dtype=np.uint8, encoding="bytes")
        features = {"image": image, "label": tfds.features.ClassLabel(num_classes=10)}
        features = tfds.features.FeaturesDict(features)
        return tfds.core.DatasetInfo(builder=self, features=features, disable_shuffling=True)

    def _split_generators(self, dl_manager: Any):
        paths = dl_manager.download([OFFICIAL[self.name] + file for file in FILES])
        return {
            "train": self._generate_examples(*paths[:2]),
            "test": self._generate_examples(*paths[2:]),
        }

    def _generate_examples(self, images, labels):
        pairs = zip(_read_idx(images, (28, 28, 1)), _read_idx(labels, ()), strict=True)
        for i, (image, label) in enumerate(pairs):
            yield i, {"image": image, "label": label}


class Mnist(IdxImages, skip_registration=True):
    """Handwritten digits (LeCun and Cortes)."""


class FashionMnist(IdxImages, skip_registration=True):
    """Articles of clothing (Xiao, Rasul and Vollgraf 2017)."""


class Kmnist(IdxImages, skip_registration=True):
    """Cursive Japanese characters (Clanuwat et al. 2018)."""


BUILDERS = {builder.name: builder for builder in (Mnist, FashionMnist, Kmnist)}


def prepare_dataset(name: str, data_dir: Path) -> Path:
    """Sees to it that a set lies prepared in `data_dir/<name>/<version>`; prints nothing.

    Files missing in `data_dir/downloads/manual/<name>` are fetched into it; what the user has put there is used.

    Args:
      name: A key of `BUILDERS`.
      data_dir: TFDS's folder, made if need be.

    Returns:
      The folder of the prepared set, for `tfds.builder_from_directory`.

    Raises:
      DataError: A file cannot be had or is not the official one, or the folder cannot be written. The message names
        the set, the files, the folder and what to do. Nothing is left behind that is half-prepared, or fetched wrong.
    """
    target = data_dir / name / str(IdxImages.VERSION)
    manual = data_dir / "downloads" / "manual" / name
    try:
        if not _is_prepared(target):
            manual.mkdir(parents=True, exist_ok=True)
            _verify(name, manual, fetched=_fetch_missing(name, manual))
            _write(name, data_dir, manual)
    except (OSError, RuntimeError) as error:
        # TFDS's last step, renaming a folder of its own to `target`, fails where another process was faster.
        if not _is_prepared(target):
            raise DataError(
                f"{name} cannot be prepared in {data_dir}: {error}. Choose another data_dir."
            ) from error
    if not _is_prepared(target):
        raise DataError(
            f"{name}: {target} is there, but holds no prepared set. Remove it and try again."
        )
    return target


def _is_prepared(target: Path) -> bool:
    return (target / "dataset_info.json").is_file()


def _fetch_missing(name: str, manual: Path) -> list[str]:
    """Completes the files in `manual`; returns those fetched. The first failure ends it: silences shall not add up."""
    missing = [file for file in FILES if not (manual / file).exists()]
    try:
        for file in missing:
            download_file(URLS[name] + file, manual / file)
    except DataError as error:
        still = ", ".join(file for file in missing if not (manual / file).exists())
        raise DataError(
            f"{name}: {still} missing in {manual}. {error} {_advice(manual)}"
        ) from error
    return missing


def _verify(name: str, manual: Path, fetched: list[str]) -> None:
    """Compares all files with what TFDS has registered. Wrong ones are removed if fetched; the user's stay."""
    official = checksums.get_all_url_infos()
    wrong = [
        file
        for file in FILES
        if checksums.compute_url_info(manual / file) != official[OFFICIAL[name] + file]
    ]
    removed = [file for file in wrong if file in fetched]
    for file in removed:
        (manual / file).unlink(missing_ok=True)
    if wrong:
        origin = (
            f" Fetched from {URLS[name]} and removed again: {', '.join(removed)}."
            if removed
            else ""
        )
        message = (
            f"{name}: not the official files (wrong checksum) in {manual}: {', '.join(wrong)}."
        )
        raise DataError(f"{message}{origin} {_advice(manual)}")


def _advice(manual: Path) -> str:
    return (
        f"Put the official files into {manual}, or connect to a network, or use --dataset digits."
    )


def _write(name: str, data_dir: Path, manual: Path) -> None:
    """Lets TFDS read the files and write its records, in silence."""
    config = tfds.download.DownloadConfig(
        manual_dir=manual, force_checksums_validation=True, try_download_gcs=False
    )
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        builder = BUILDERS[name](data_dir=data_dir, file_format="array_record")
        builder.download_and_prepare(download_config=config)


def _read_idx(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Reads a gzipped IDX file of bytes: `[N, *shape]`. Its header tells the rank in byte 3, then 4 bytes a size."""
    with gzip.open(path) as file:
        data = file.read()
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(-1, *shape)
