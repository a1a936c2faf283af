"""The pixels of a folder of images, cached on disk so that the files are decoded only once.

A cache folder has `images.npy` (uint8 `[N, H, W, C]`), `labels.npy` (int32 `[N]`) and
`meta.json`. It is written under a temporary name and renamed, so it is complete or missing.
"""

import json
import os
import shutil
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import IO, NamedTuple

import numpy as np

from jaxgan.data.image_arrays import compute_checksum
from jaxgan.errors import DataError

ROWS_PER_COPY = 1_024


class DecodedImages(NamedTuple):
    """The decoded images of a folder.

    Attributes:
      images: uint8 `[N, H, W, C]`, memory-mapped.
      labels: int32 `[N]`.
      num_damaged: Number of damaged files that were left out.
      checksum: See `compute_checksum`.
    """

    images: np.ndarray
    labels: np.ndarray
    num_damaged: int
    checksum: str


class ImageWriter:
    """Writes images to a `.npy` file one by one, and their labels.

    The file has the shape of the first image. It changes from 1 to 3 channels at the first image
    with 3, so the number of channels need not be known before all images are decoded. A memory map
    is not used, because on a full disk it would kill the process instead of raising OSError.

    Attributes:
      shape: `[H, W, C]` of the images written so far; None before the first.
      labels: The labels of the images written so far.
    """

    def __init__(self, path: Path):
        self.path = path
        self.shape: tuple[int, ...] | None = None
        self.labels: list[int] = []
        self._file: IO[bytes] = path.open("wb")

    def append(self, image: np.ndarray, label: int) -> None:
        """Writes one image, uint8 `[H, W, C]`, of the height and width of the others."""
        if self.shape is None:
            self.shape = image.shape
            self._write_header()
        elif image.shape[2] > self.shape[2]:
            self._add_channels()
        self._file.write(np.repeat(image, self.shape[2] // image.shape[2], axis=2).tobytes())
        self.labels.append(label)

    def close(self) -> None:
        """Completes the file."""
        if self.shape is not None:
            self._file.seek(0)
            self._write_header()
            self._file.flush()
            os.fsync(self._file.fileno())
        self._file.close()

    def _write_header(self) -> None:
        """Writes the header of the `.npy` file; its length does not depend on N."""
        shape = (len(self.labels), *(self.shape or ()))
        header = {"descr": "|u1", "fortran_order": False, "shape": shape}
        np.lib.format.write_array_header_1_0(self._file, header)

    def _add_channels(self) -> None:
        """Rewrites the file with 3 channels."""
        assert self.shape is not None
        self.close()
        gray_path = self.path.with_suffix(".gray")
        self.path.rename(gray_path)
        self.shape = (*self.shape[:2], 3)
        self._file = self.path.open("wb")
        self._write_header()
        gray = np.load(gray_path, mmap_mode="r")
        for start in range(0, len(gray), ROWS_PER_COPY):
            self._file.write(np.repeat(gray[start : start + ROWS_PER_COPY], 3, axis=3).tobytes())
        del gray
        gray_path.unlink()


def load_decoded(folder: Path) -> DecodedImages | None:
    """Returns the content of a cache folder; None if it is missing or corrupt."""
    try:
        meta = json.loads((folder / "meta.json").read_bytes())
        images = np.load(folder / "images.npy", mmap_mode="r", allow_pickle=False)
        labels = np.load(folder / "labels.npy", allow_pickle=False)
        decoded = DecodedImages(images, labels, int(meta["num_damaged"]), str(meta["checksum"]))
        return decoded if compute_checksum(images, labels) == decoded.checksum else None
    except Exception:  # NumPy raises errors of many types for corrupt files
        return None


def save_decoded(folder: Path, write_fn: Callable[[ImageWriter], int]) -> DecodedImages:
    """Writes a cache folder; replaces an existing one.

    Args:
      folder: The folder.
      write_fn: Writes the images with an `ImageWriter` and returns the number of damaged files.

    Raises:
      DataError: If the folder cannot be written. Other exceptions of `write_fn` are passed on.
    """
    temporary = None
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        temporary = Path(tempfile.mkdtemp(prefix=f".{folder.name}-", dir=folder.parent))
        _fill_folder(temporary, write_fn)
        _move_folder(temporary, folder)
    except OSError as error:
        raise DataError(
            f"the decoded images cannot be written to {folder}: {error}. Use a writable data_dir "
            "with enough space"
        ) from error
    finally:
        if temporary is not None:
            shutil.rmtree(temporary, ignore_errors=True)
    decoded = load_decoded(folder)
    if decoded is None:
        raise DataError(f"{folder} differs from what was written to it; check the disk")
    return decoded


def _fill_folder(folder: Path, write_fn: Callable[[ImageWriter], int]) -> None:
    """Writes the three files of a cache folder."""
    writer = ImageWriter(folder / "images.npy")
    try:
        num_damaged = write_fn(writer)
    finally:
        writer.close()
    labels = np.array(writer.labels, np.int32)
    np.save(folder / "labels.npy", labels)
    checksum = compute_checksum(np.load(folder / "images.npy", mmap_mode="r"), labels)
    meta = {"num_damaged": num_damaged, "checksum": checksum}
    (folder / "meta.json").write_text(json.dumps(meta) + "\n")


def _move_folder(source: Path, target: Path) -> None:
    """Renames a folder; keeps a target that another process has created in the meantime."""
    shutil.rmtree(target, ignore_errors=True)
    try:
        source.rename(target)
    except OSError:
        if not (target / "meta.json").exists():
            raise
