"""Image data sets by name or by path."""

import os
from collections.abc import Callable
from pathlib import Path

from jaxgan.data.image_arrays import ARRAY_SUFFIXES, open_image_array
from jaxgan.data.image_datasets import DEFAULT_DATA_DIR, is_dataset_name, open_split
from jaxgan.data.image_decoding import format_size, parse_size
from jaxgan.data.image_folders import DecodeOptions, open_image_folder
from jaxgan.data.message_parts import display_path
from jaxgan.data.splits import Split
from jaxgan.errors import ConfigError, DataError


def open_dataset(
    name_or_path: str | os.PathLike[str],
    data_dir: str | os.PathLike[str] = DEFAULT_DATA_DIR,
    *,
    size: int | str | None = None,
    channels: int | None = None,
    skip_damaged: bool = False,
    progress_fn: Callable[[int, int], None] | None = None,
) -> Split:
    """Opens the training split of a data set, given by its name or by its path.

    A known or prepared name takes precedence over a path. Everything else that exists, or that has
    a directory separator or a suffix, is a path.

    A folder contains images of any format that Pillow decodes: directly in it, without labels, or
    in subfolders, one per class. Labels are the indices of the sorted class names. Every file is
    decoded once, by the rules of `jaxgan.data.image_decoding`, and the pixels are cached in
    `data_dir/image_folders`.

    Args:
      name_or_path: A key of `KNOWN_DATASETS`, a data set that TFDS has prepared, a `.npy` or `.npz`
        file (uint8 `[N, H, W]` or `[N, H, W, C]` with 1 or 3 channels; a `.npz` file has the keys
        `images` and, optionally, `labels`), or a folder of images.
      data_dir: Directory of the prepared data sets.
      size: Size N, or `"HxW"`, to which images of a folder are scaled and cropped. None for their
        own size, which must then be the same for all.
      channels: Number of channels of the images of a folder, 1 or 3. None for 3 if any image has
        color, else 1.
      skip_damaged: Leave out and count damaged files of a folder, instead of raising DataError.
      progress_fn: Called with (files done, files in total) while a folder is decoded.

    Raises:
      ConfigError: If `size` or `channels` is invalid, or an option does not apply to the data set.
      DataError: If the data set is not available or not suitable. The message says what to do.
    """
    if channels not in (None, 1, 3):
        raise ConfigError(f"channels is {channels!r}, expected 1 or 3, or None for either")
    options = DecodeOptions(None if size is None else parse_size(size), channels, skip_damaged)
    path = find_dataset_path(name_or_path, data_dir)
    if path is not None and os.path.isdir(path):
        folder = Path(data_dir).expanduser().absolute()
        return open_image_folder(path, folder, options, progress_fn)
    if path is None:
        _check_no_options(name_or_path, options)
        return open_split(os.fspath(name_or_path), data_dir)
    if not os.path.exists(path):  # False if the name is too long, unlike `path.exists`
        raise DataError(
            f"{display_path(name_or_path)!r} is neither the name of a data set nor a path: "
            f"{display_path(path)} does not exist; check the spelling"
        )
    if path.suffix.lower() not in ARRAY_SUFFIXES:
        raise DataError(
            f"{display_path(path)} is a file with the suffix {path.suffix!r}, expected a folder of "
            f"images, or an array in a file with the suffix {' or '.join(ARRAY_SUFFIXES)}"
        )
    _check_no_options(name_or_path, options)
    return open_image_array(path)


def find_dataset_path(
    name_or_path: str | os.PathLike[str], data_dir: str | os.PathLike[str] = DEFAULT_DATA_DIR
) -> Path | None:
    """Returns the absolute path of a data set; None if it is given by its name."""
    text = os.fspath(name_or_path)
    if not text or (isinstance(name_or_path, str) and is_dataset_name(text, data_dir)):
        return None
    path = Path(os.path.abspath(os.path.expanduser(text)))
    separators = [separator for separator in (os.sep, os.altsep) if separator]
    looks_like_path = any(separator in text for separator in separators) or Path(text).suffix
    return path if looks_like_path or os.path.exists(path) else None


def _check_no_options(name_or_path: str | os.PathLike[str], options: DecodeOptions) -> None:
    """Raises ConfigError if an option for folders of images is given."""
    for name, value in options._asdict().items():
        if value:
            shown = format_size(value) if isinstance(value, tuple) else value
            text = display_path(name_or_path)
            hint = f", or give the folder {text} as ./{text}" if os.path.isdir(text) else ""
            raise ConfigError(
                f"{name} is {shown}, but {text!r} is not a folder of images; leave out {name}{hint}"
            )
