"""Folders of images: the files are decoded once, and the pixels cached in the data directory.

The images are directly in the folder, without labels, or in subfolders, one per class. The decoded
images are cached in `data_dir/image_folders/NAME-HASH/`. The hash covers the names, sizes and
modification times of the image files, and the options, so a changed folder is decoded again.
"""

import hashlib
import json
import os
import stat
import warnings
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import NamedTuple

from jaxgan.data.decoded_images import ImageWriter, load_decoded, save_decoded
from jaxgan.data.image_arrays import MIN_IMAGES, dataset_name, make_array_split
from jaxgan.data.image_decoding import decode_image, describe_failure, format_size
from jaxgan.data.message_parts import count_noun, display_path, list_first
from jaxgan.data.splits import Split
from jaxgan.errors import DataError

FORMAT_VERSION = 1  # increased whenever a decoding rule changes
IMAGE_SUFFIXES = (
    *(".avif", ".bmp", ".gif", ".jfif", ".jpe", ".jpeg", ".jpg", ".pbm", ".pgm", ".png", ".pnm"),
    *(".ppm", ".tif", ".tiff", ".webp"),
)
FILES_PER_BLOCK = 512
MAX_NAMED_FILES = 100  # in the message about damaged files


class ImageFile(NamedTuple):
    """An image file of a folder.

    Attributes:
      name: Its path below the folder, with "/" between the parts.
      label: Index of its class; 0 in a folder without classes.
      size: In bytes.
      mtime_ns: Modification time in nanoseconds.
    """

    name: str
    label: int
    size: int
    mtime_ns: int


class FolderListing(NamedTuple):
    """The files of a folder of images.

    Attributes:
      files: The image files, sorted by class and name.
      class_names: The names of the subfolders with images, sorted; None without subfolders.
      num_skipped: Number of hidden files and folders, and of files that are not images.
    """

    files: list[ImageFile]
    class_names: tuple[str, ...] | None
    num_skipped: int


class DecodeOptions(NamedTuple):
    """How the images of a folder are decoded; see `jaxgan.data.open_dataset`."""

    size: tuple[int, int] | None
    channels: int | None
    skip_damaged: bool


def open_image_folder(
    folder: Path,
    data_dir: Path,
    options: DecodeOptions,
    progress_fn: Callable[[int, int], None] | None = None,
) -> Split:
    """Opens a folder of images; decodes the files first unless their pixels are cached.

    Args:
      folder: An absolute path.
      data_dir: Directory of the prepared data sets, which contains the cache.
      options: How to decode.
      progress_fn: Called with (files done, files in total) while the files are decoded.

    Raises:
      DataError: If there are fewer than 2 images, the folders are nested, images are damaged or
        differ in size, or `data_dir` cannot be written. The message says what to do.
    """
    listing = scan_folder(folder)
    name = f"{dataset_name(folder)}-{compute_listing_hash(listing, options)}"
    entry = data_dir / "image_folders" / name
    decoded = load_decoded(entry) or save_decoded(
        entry, lambda writer: decode_files(folder, listing, options, writer, progress_fn)
    )
    skipped, damaged = listing.num_skipped, decoded.num_damaged
    return make_array_split(
        folder,
        decoded.images,
        None if listing.class_names is None else decoded.labels,
        decoded.checksum,
        class_names=listing.class_names,
        notes=[
            *([f"{count_noun(damaged, 'damaged file')} left out"] if damaged else []),
            *([f"{count_noun(skipped, 'other file')} skipped"] if skipped else []),
        ],
        record={
            "size": None if options.size is None else format_size(options.size),
            "channels": options.channels,
            "skip_damaged": options.skip_damaged,
            "num_skipped": skipped,
            "num_damaged": damaged,
        },
    )


def scan_folder(folder: Path) -> FolderListing:
    """Lists the image files of a folder, and of its subfolders.

    Raises:
      DataError: If there are fewer than 2 images, images both in the folder and in subfolders, or
        images two folders deep.
    """
    files, subfolders, num_skipped = list_folder(folder, "", 0)
    class_names, nested = [], []
    for subfolder in subfolders:
        more_files, deeper, more_skipped = list_folder(folder, f"{subfolder}/", len(class_names))
        num_skipped += more_skipped
        for path in deeper:
            deep_files = list_folder(folder, f"{subfolder}/{path}/", 0)[0]
            nested += deep_files[:1]
        if more_files:
            class_names.append(subfolder)
            files += more_files
    shown = display_path(folder)
    at_top = [file for file in files if "/" not in file.name]
    if nested:
        raise DataError(
            f"{shown} has images two folders deep, such as {display_path(nested[0].name)}. Give a "
            "folder whose images are directly in it, or in one subfolder per class"
        )
    if at_top and class_names:
        raise DataError(
            f"{shown} has {count_noun(len(at_top), 'image')} directly in it, such as "
            f"{display_path(at_top[0].name)}, and {len(files) - len(at_top):,} in subfolders "
            f"({list_first(map(display_path, class_names))}). Move all into subfolders, one per "
            "class, or all out of them"
        )
    if len(files) < MIN_IMAGES:
        counts = f"{count_noun(len(files), 'image')} and {count_noun(num_skipped, 'other file')}"
        raise DataError(
            f"{shown} has {counts}; at least {MIN_IMAGES} images are needed, in the folder or in "
            f"one subfolder per class. Names of image files end in {', '.join(IMAGE_SUFFIXES)}"
        )
    return FolderListing(files, tuple(map(display_path, class_names)) or None, num_skipped)


def list_folder(root: Path, prefix: str, label: int) -> tuple[list[ImageFile], list[str], int]:
    """Lists one folder, given by its path below the root.

    Returns:
      The image files, sorted by name; the names of the folders, sorted; and the number of hidden
      files and folders, and of files that are not images.

    Raises:
      DataError: If the folder cannot be read.
    """
    files, folders, num_skipped = [], [], 0
    for entry in list_entries(root / prefix):
        is_image = entry.name.lower().endswith(IMAGE_SUFFIXES)
        mode = find_mode(entry)
        if entry.name.startswith((".", "__MACOSX")):
            num_skipped += 1
        elif stat.S_ISDIR(mode):
            folders.append(entry.name)
        elif is_image and stat.S_ISREG(mode):
            info = entry.stat()
            name = prefix + entry.name
            files.append(ImageFile(name, label, info.st_size, info.st_mtime_ns))
        elif is_image and entry.is_symlink():  # A broken link counts as a damaged file.
            files.append(ImageFile(prefix + entry.name, label, -1, 0))
        else:
            num_skipped += 1
    return files, folders, num_skipped


def list_entries(folder: Path) -> list[os.DirEntry]:
    """Returns the entries of a folder, sorted by name. Raises DataError if it cannot be read."""
    try:
        with os.scandir(folder) as entries:
            return sorted(entries, key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(
            f"{display_path(folder)} cannot be read: {error.strerror}. Change its permissions, or "
            "move it out of the folder of images"
        ) from error


def find_mode(entry: os.DirEntry) -> int:
    """Returns the mode of the file that an entry is or links to; 0 if the link is broken."""
    try:
        return entry.stat().st_mode
    except OSError:
        return 0


def compute_listing_hash(listing: FolderListing, options: DecodeOptions) -> str:
    """Returns a 64-bit checksum of the names, sizes and times of the files, and the options."""
    content = json.dumps([FORMAT_VERSION, listing.files, options])
    return hashlib.blake2b(content.encode(), digest_size=8).hexdigest()


def decode_files(
    folder: Path,
    listing: FolderListing,
    options: DecodeOptions,
    writer: ImageWriter,
    progress_fn: Callable[[int, int], None] | None,
) -> int:
    """Decodes all files of a folder in several threads and writes the images in their order.

    Returns:
      The number of damaged files that were left out.

    Raises:
      DataError: If images are damaged or differ in size.
    """
    damaged: list[str] = []
    sizes: Counter[tuple[int, int]] = Counter()
    num_files = len(listing.files)

    def decode(file):
        try:
            return decode_image(folder / file.name, options.size, options.channels)
        except Exception as error:  # Pillow raises exceptions of many types for damaged files.
            reason = describe_failure(error) if file.size else "empty"
            return f"{display_path(file.name)} ({reason})"

    # Files are decoded in blocks, so that few decoded images wait to be written.
    with warnings.catch_warnings(), ThreadPoolExecutor(os.cpu_count()) as pool:
        warnings.simplefilter("ignore")  # Pillow warns of files that it repairs.
        for start in range(0, num_files, FILES_PER_BLOCK):
            block = listing.files[start : start + FILES_PER_BLOCK]
            for i, (file, image) in enumerate(zip(block, pool.map(decode, block), strict=True)):
                if isinstance(image, str):
                    damaged.append(image)
                else:
                    sizes[image.shape[:2]] += 1
                    if len(sizes) == 1:
                        writer.append(image, file.label)
                if progress_fn is not None:
                    progress_fn(start + i + 1, num_files)
            if len(sizes) > 1:
                raise size_error(folder, sizes)
    if damaged and not options.skip_damaged:
        raise DataError(
            f"{display_path(folder)} has {count_noun(len(damaged), 'damaged file')}: "
            f"{list_first(damaged, MAX_NAMED_FILES, '; ')}. Repair or remove them, or leave them "
            "out with --skip-damaged (skip_damaged=True)"
        )
    if len(writer.labels) < MIN_IMAGES:
        raise DataError(
            f"{display_path(folder)} has {count_noun(len(writer.labels), 'image')} besides "
            f"{count_noun(len(damaged), 'damaged file')} ({list_first(damaged, separator='; ')}); "
            f"at least {MIN_IMAGES} are needed"
        )
    return len(damaged)


def size_error(folder: Path, sizes: Counter[tuple[int, int]]) -> DataError:
    """Returns the error about images of several sizes.

    Args:
      folder: The folder.
      sizes: Number of decoded images of each height and width.
    """
    counts = [f"{format_size(size)} ({num:,})" for size, num in sizes.most_common()]
    return DataError(
        f"{display_path(folder)} has images of several sizes: {list_first(counts)} among the first "
        f"{sizes.total():,}. Scale and crop all to one size: --size N or HxW, such as --size 64 "
        "(size=64)"
    )
