"""Images as uint8 arrays: `.npy` and `.npz` files, and splits of arrays on disk."""

import hashlib
import os
import re
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np

from jaxgan.data.message_parts import count_noun, display_path, list_first
from jaxgan.data.splits import Images, Split
from jaxgan.errors import DataError

ARRAY_SUFFIXES = (".npy", ".npz")
MIN_IMAGES = 2
CHECKSUM_BLOCK_BYTES = 2**24
MAX_NAME_LENGTH = 60


def open_image_array(path: Path) -> Split:
    """Opens a `.npy` file of images, or a `.npz` file with the keys `images` and `labels`.

    A `.npy` file is memory-mapped, a `.npz` file is read into memory.

    Args:
      path: An absolute path. Images are uint8 `[N, H, W]` or `[N, H, W, C]`, with N at least 2 and
        C 1 or 3; labels are integers `[N]`, and may be missing.

    Raises:
      DataError: If the file cannot be read, or its arrays are not of this form.
    """
    images, labels = read_arrays(path)
    images = normalize_images(path, images)
    labels = None if labels is None else normalize_labels(path, labels, len(images))
    return make_array_split(path, images, labels, compute_checksum(images, labels))


def read_arrays(path: Path) -> tuple[np.ndarray, np.ndarray | None]:
    """Returns the images and labels in a `.npy` or `.npz` file, unchecked."""
    try:
        if path.suffix.lower() == ".npy":
            return np.lib.format.open_memmap(path, mode="r"), None
        with path.open("rb") as file, np.load(file, allow_pickle=False) as npz:
            arrays = {key: npz[key] for key in ("images", "labels") if key in npz.files}
            keys = npz.files
    # NumPy and zipfile raise ValueError, OSError, EOFError, RuntimeError or tokenize.TokenError,
    # among others, depending on which bytes of the file are corrupt.
    except Exception as error:
        raise DataError(
            f"{display_path(path)} cannot be read as a {path.suffix.lower()} file: {error}; write "
            "it again with np.save or np.savez"
        ) from error
    if "images" not in arrays:
        raise DataError(
            f"{display_path(path)} has the keys {list_first(keys)}, expected images and labels; "
            "save it with np.savez(path, images=…, labels=…)"
        )
    return arrays["images"], arrays.get("labels")


def normalize_images(path: Path, images: np.ndarray) -> np.ndarray:
    """Returns images as `[N, H, W, C]`. Raises DataError if they are not of a supported form."""
    found = f"{display_path(path)} has images of type {images.dtype} and shape {list(images.shape)}"
    if images.dtype != np.uint8:
        raise DataError(
            f"{found}, expected uint8 pixels, 0 to 255. Convert values in [0, 1] with "
            "np.round(255 * images).astype(np.uint8), values in [-1, 1] with "
            "jaxgan.data.to_pixels(images), and integers from 0 to 255 with images.astype(np.uint8)"
        )
    if images.ndim not in (3, 4) or 0 in images.shape[1:]:
        raise DataError(f"{found}, expected [N, H, W] or [N, H, W, C]")
    if images.ndim == 3 and images.shape[2] <= 4:
        raise DataError(
            f"{found}, which is that of a single image, expected [N, H, W] or [N, H, W, C]; stack "
            "the images on a new first axis"
        )
    if len(images) < MIN_IMAGES:
        raise DataError(f"{found}, expected at least {MIN_IMAGES} images; add more images")
    images = images[..., None] if images.ndim == 3 else images
    if images.shape[3] not in (1, 3):
        hint = "keep 1 or 3 channels"
        if images.shape[3] == 4:
            hint = "composite RGBA over a background and keep three channels"
        elif images.shape[1] in (1, 3):
            hint = "move the channels to the end with images.transpose(0, 2, 3, 1)"
        raise DataError(f"{found}, expected 1 or 3 channels; {hint}")
    return images


def normalize_labels(path: Path, labels: np.ndarray, num: int) -> np.ndarray:
    """Returns labels as int32 `[N]`. Raises DataError if they are not integers `[N]`."""
    found = f"{display_path(path)} has labels of type {labels.dtype} and shape {list(labels.shape)}"
    if labels.shape != (num,):
        raise DataError(f"{found}, expected [{num}], one label per image")
    if not np.issubdtype(labels.dtype, np.integer):
        raise DataError(f"{found}, expected integers; convert them with labels.astype(np.int32)")
    limits = np.iinfo(np.int32)
    if labels.min() < limits.min or labels.max() > limits.max:
        raise DataError(
            f"{found} from {labels.min()} to {labels.max()}, expected values that int32 can hold; "
            "number the classes with np.unique(labels, return_inverse=True)[1]"
        )
    return labels.astype(np.int32)


def make_array_split(
    path: Path,
    images: np.ndarray,
    labels: np.ndarray | None,
    checksum: str,
    *,
    class_names: tuple[str, ...] | None = None,
    notes: Iterable[str] = (),
    record: dict[str, Any] | None = None,
) -> Split:
    """Returns a split whose arrays were read from a path.

    Args:
      path: Absolute path of the file or folder, which also gives the data set its name.
      images: uint8 `[N, H, W, C]`, in memory or memory-mapped.
      labels: int32 `[N]`, or None if there are no labels.
      checksum: See `compute_checksum`.
      class_names: See `Images`.
      notes: Added to the description.
      record: Added to the record.
    """
    name = dataset_name(path)
    num, height, width, channels = images.shape
    num_classes = None if labels is None else len(np.unique(labels))
    record = {
        "path": str(path),
        **(record or {}),
        "num_classes": num_classes,
        "class_names": None if class_names is None else list(class_names),
        "checksum": checksum,
    }
    known_labels = np.zeros(num, np.int32) if labels is None else labels

    def read(indices):
        rows = np.asarray(indices)
        has_labels = labels is not None
        return Images(name, images[rows], known_labels[rows], class_names, has_labels, record)

    counts = count_noun(num, "image")
    if num_classes is not None:
        counts += f" in {count_noun(num_classes, 'class', 'classes')}"
    form = f"{counts}, {height}x{width}, {'gray' if channels == 1 else 'RGB'}"
    description = "; ".join([form, *notes])
    return Split(
        name,
        num,
        read,
        lambda: known_labels,
        description,
        class_names,
        labels is not None,
        record,
    )


def compute_checksum(images: np.ndarray, labels: np.ndarray | None) -> str:
    """Returns a 128-bit BLAKE2b checksum of images and labels, in hex.

    It is the checksum of the checksums of blocks of rows, which several threads compute.
    """
    rows = max(1, CHECKSUM_BLOCK_BYTES * len(images) // max(1, images.nbytes))

    def checksum_block(start):
        block = np.ascontiguousarray(images[start : start + rows])
        return hashlib.blake2b(block.data, digest_size=16).digest()

    total = hashlib.blake2b(f"{images.shape}".encode(), digest_size=16)
    with ThreadPoolExecutor(os.cpu_count()) as pool:
        for digest in pool.map(checksum_block, range(0, len(images), rows)):
            total.update(digest)
    if labels is not None:
        total.update(np.ascontiguousarray(labels, "<i4").data)
    return total.hexdigest()


def dataset_name(path: Path) -> str:
    """Returns the data set name for a path, usable in file names and titles of figures."""
    stem = path.stem if path.suffix.lower() in ARRAY_SUFFIXES else path.name
    # "\w" matches no surrogates, by which Python represents bytes that are not UTF-8.
    name = re.sub(r"[^\w.-]+", "_", stem).strip("_.-")
    return name[:MAX_NAME_LENGTH] or "images"
