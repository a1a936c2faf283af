"""Files that a run keeps for each step it draws: `STEP.npy` and `STEP.png` in one folder."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from jaxgan.errors import DataError

T = TypeVar("T")

MAX_NAMED_FILES = 3


def saved_files(folder: str | os.PathLike[str], suffix: str) -> list[Path]:
    """Returns the files in `folder` named after a step, such as `000022.npy`, ordered by step.

    Args:
      folder: The folder to list. Files with other names are ignored.
      suffix: `".npy"` or `".png"`.
    """
    return sorted(
        (p for p in Path(folder).glob(f"*{suffix}") if p.stem.isdecimal() and p.is_file()),
        key=lambda path: int(path.stem),
    )


def remove_after(folder: str | os.PathLike[str], step: int) -> None:
    """Removes the files of steps after `step`.

    A run that resumes from a checkpoint repeats these steps, and they may never be reached again.
    """
    for suffix in (".npy", ".png"):
        for path in saved_files(folder, suffix):
            if int(path.stem) > step:
                path.unlink()


def evenly_spaced(items: Sequence[T], num: int) -> list[T]:
    """Returns at most `num` evenly spaced items, including the first and the last."""
    if len(items) <= num:
        return list(items)
    return [items[round(i)] for i in np.linspace(0, len(items) - 1, num)]


def make_loader(
    load_fn: Callable[..., Any], log_fn: Callable[[str], None]
) -> Callable[..., list[tuple[Path, Any]]]:
    """Returns a function that loads evenly spaced files and skips those that cannot be loaded.

    Args:
      load_fn: `(path, shape) -> content`; raises DataError if the file is unreadable or has a
        different shape.
      log_fn: Receives a message about skipped files. Each file is reported once.

    Returns:
      `(paths, num, shape) -> [(path, content), …]`, at most `num` readable files. The result
      includes the first and the last readable file.
    """
    reported: set[Path] = set()

    def load_evenly_spaced(paths, num, shape):
        loaded: dict[Path, Any] = {}
        errors: dict[Path, DataError] = {}
        while True:
            chosen = evenly_spaced([path for path in paths if path not in errors], num)
            missing = [path for path in chosen if path not in loaded]
            if not missing:
                break
            for path in missing:
                try:
                    loaded[path] = load_fn(path, shape)
                except DataError as error:
                    errors[path] = error
        new = [str(error) for path, error in errors.items() if path not in reported]
        reported.update(errors)
        if new:
            log_fn(skip_message(new))
        return [(path, loaded[path]) for path in chosen]

    return load_evenly_spaced


def skip_message(reasons: list[str]) -> str:
    """Returns a message that gives the number of skipped files and the first few reasons."""
    more = len(reasons) - MAX_NAMED_FILES
    shown = "\n".join(f"  {reason}" for reason in reasons[:MAX_NAMED_FILES])
    count = "1 file is" if len(reasons) == 1 else f"{len(reasons)} files are"
    rest = f"\n  and {more} more" if more > 0 else ""
    return f"{count} left out of the pictures:\n{shown}{rest}"


def load_pixels(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    """Loads uint8 images `[N, H, W, C]` from a `.npy` file.

    Args:
      path: The file.
      shape: The expected shape of one image, `(H, W, C)`.

    Raises:
      DataError: If the file is not a readable array of that dtype and image shape.
    """
    try:
        with path.open("rb") as file:
            pixels = np.lib.format.read_array(file, allow_pickle=False)
    # NumPy raises ValueError, OSError, EOFError, tokenize.TokenError or MemoryError, among
    # others, depending on which bytes of the file are corrupt.
    except Exception as error:
        raise DataError(
            f"{path} is not a readable array ({error}); replace or remove it"
        ) from error
    if pixels.dtype != np.uint8 or pixels.shape[1:] != shape or not pixels.size:
        dims = ", ".join(map(str, shape))
        raise DataError(
            f"{path} has {pixels.dtype}{list(pixels.shape)}, expected uint8[N, {dims}]; "
            "replace or remove it"
        )
    return pixels
