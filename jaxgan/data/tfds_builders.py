"""TFDS builders of MNIST, Fashion-MNIST and Kuzushiji-MNIST that do not need TensorFlow.

`prepare_dataset` runs them. Unlike TFDS's own builders, they store images as raw bytes, so that
reading needs no PNG decoding, and keep the original order. Their version is one that TFDS itself
has never used, so that both can share a data_dir without using the same folder.
"""

import contextlib
import gzip
import io
import os
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow_datasets as tfds
from tensorflow_datasets.core.download import checksums

from jaxgan.data.download import download_file
from jaxgan.errors import DataError

# The URLs for which TFDS has registered checksums.
OFFICIAL_URLS = {
    "mnist": "https://storage.googleapis.com/cvdf-datasets/mnist/",
    "fashion_mnist": "http://fashion-mnist.s3-website.eu-central-1.amazonaws.com/",
    "kmnist": "http://codh.rois.ac.jp/kmnist/dataset/kmnist/",
}
# The URLs to download from. Replace one to use a mirror; the checksums stay the official ones.
DOWNLOAD_URLS = dict(OFFICIAL_URLS)
FILES = [
    f"{split}-{kind}-ubyte.gz"
    for split in ("train", "t10k")
    for kind in ("images-idx3", "labels-idx1")
]


class IdxImages(tfds.core.GeneratorBasedBuilder, skip_registration=True):
    """Builder of 28x28 grayscale images in 10 classes, from four gzipped IDX files.

    TFDS derives the name of the data set from the name of the subclass.
    """

    VERSION = tfds.core.Version("0.1.0")

    def _info(self):
        image = tfds.features.Tensor(shape=(28, 28, 1), dtype=np.uint8, encoding="bytes")
        features = {"image": image, "label": tfds.features.ClassLabel(num_classes=10)}
        features = tfds.features.FeaturesDict(features)
        return tfds.core.DatasetInfo(builder=self, features=features, disable_shuffling=True)

    def _split_generators(self, dl_manager: Any):
        paths = dl_manager.download([OFFICIAL_URLS[self.name] + file for file in FILES])
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


def prepare_dataset(name: str, data_dir: str | os.PathLike[str]) -> Path:
    """Prepares a data set in `data_dir/<name>/<version>` unless it exists; prints nothing.

    Missing files are downloaded to `data_dir/downloads/manual/<name>`. Files that already exist
    there are used.

    Args:
      name: A key of `BUILDERS`.
      data_dir: Directory of the prepared data sets; created if missing.

    Returns:
      The folder of the prepared data set, for `tfds.builder_from_directory`.

    Raises:
      DataError: If a file cannot be downloaded or has a wrong checksum, or if the folder cannot be
        written. The message gives the data set, the files and the folder, and says what to do. No
        partly prepared data set and no wrong download is left behind.
    """
    data_dir = Path(data_dir)
    target = data_dir / name / str(IdxImages.VERSION)
    manual_dir = data_dir / "downloads" / "manual" / name
    try:
        if not _is_prepared(target):
            manual_dir.mkdir(parents=True, exist_ok=True)
            _verify_checksums(name, manual_dir, _download_missing(name, manual_dir))
            _run_builder(name, data_dir, manual_dir)
    except (OSError, RuntimeError) as error:
        # The last step of TFDS renames a temporary folder to `target`. It fails if another process
        # has prepared the data set in the meantime.
        if not _is_prepared(target):
            raise DataError(
                f"{name} cannot be prepared in {data_dir}: {error}. Choose another data_dir."
            ) from error
    if not _is_prepared(target):
        raise DataError(
            f"{name}: {target} exists, but contains no prepared data set. Remove it and try again."
        )
    return target


def _is_prepared(target: Path) -> bool:
    return (target / "dataset_info.json").is_file()


def _download_missing(name: str, manual_dir: Path) -> list[str]:
    """Downloads the files that `manual_dir` lacks and returns their names.

    Stops at the first failure, so that the timeouts of several files do not add up.
    """
    missing = [file for file in FILES if not (manual_dir / file).exists()]
    try:
        for file in missing:
            download_file(DOWNLOAD_URLS[name] + file, manual_dir / file)
    except DataError as error:
        still_missing = ", ".join(file for file in missing if not (manual_dir / file).exists())
        raise DataError(
            f"{name}: {still_missing} missing in {manual_dir}. {error} {_advice(manual_dir)}"
        ) from error
    return missing


def _verify_checksums(name: str, manual_dir: Path, downloaded: list[str]) -> None:
    """Compares the checksums of all files with those that TFDS has registered.

    Wrong files are removed if they were downloaded. The user's own files are kept.
    """
    official = checksums.get_all_url_infos()
    wrong = [
        file
        for file in FILES
        if checksums.compute_url_info(manual_dir / file) != official[OFFICIAL_URLS[name] + file]
    ]
    removed = [file for file in wrong if file in downloaded]
    for file in removed:
        (manual_dir / file).unlink(missing_ok=True)
    if wrong:
        message = f"{name}: wrong checksum of files in {manual_dir}: {', '.join(wrong)}."
        if removed:
            message += (
                f" Downloaded from {DOWNLOAD_URLS[name]} and removed again: {', '.join(removed)}."
            )
        raise DataError(f"{message} {_advice(manual_dir)}")


def _advice(manual_dir: Path) -> str:
    return (
        f"Put the official files into {manual_dir}, or connect to a network, "
        "or use --dataset digits."
    )


def _run_builder(name: str, data_dir: Path, manual_dir: Path) -> None:
    """Runs the TFDS builder, which reads the files and writes array_record; silences its output."""
    config = tfds.download.DownloadConfig(
        manual_dir=manual_dir, force_checksums_validation=True, try_download_gcs=False
    )
    with contextlib.redirect_stdout(io.StringIO()), contextlib.redirect_stderr(io.StringIO()):
        builder = BUILDERS[name](data_dir=data_dir, file_format="array_record")
        builder.download_and_prepare(download_config=config)


def _read_idx(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Reads a gzipped IDX file of bytes as uint8 `[N, *shape]`."""
    with gzip.open(path) as file:
        data = file.read()
    # The header has 4 bytes, of which byte 3 is the rank, and 4 bytes for the size of each axis.
    return np.frombuffer(data, np.uint8, offset=4 + 4 * data[3]).reshape(-1, *shape)
