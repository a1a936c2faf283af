"""File helpers: atomic writes, and file system errors that name the file."""

import contextlib
import io
import json
import os
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np


def write_atomic(path: str | os.PathLike[str], content: bytes) -> None:
    """Writes a file atomically: a reader sees the old content or the new content, never a mix.

    The content is written to a temporary file next to `path`, flushed to disk, and renamed. The
    temporary file is removed if that fails.

    Args:
      path: The file to create or replace. Missing parent folders are created.
      content: The complete new content.

    Raises:
      OSError: If the file cannot be written, or `path` is a directory; `filename` is set.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    try:
        with with_filename(path), temporary.open("wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(path)
    except OSError:
        with contextlib.suppress(OSError):
            temporary.unlink()
        raise


@contextlib.contextmanager
def with_filename(path: str | os.PathLike[str]) -> Iterator[None]:
    """Sets `filename` on every OSError raised inside the context that has none.

    Python sets it if opening a file fails, but not if a later write fails, as on a full disk.
    """
    try:
        yield
    except OSError as error:
        error.filename = error.filename or os.fspath(path)
        raise


def write_json(path: str | os.PathLike[str], content: Any, *, ensure_ascii: bool = True) -> None:
    """Writes indented JSON atomically; see `write_atomic`."""
    text = json.dumps(content, indent=2, ensure_ascii=ensure_ascii) + "\n"
    write_atomic(path, text.encode())


def save_array(path: str | os.PathLike[str], array: np.ndarray) -> None:
    """Writes an array to a `.npy` file atomically; see `write_atomic`."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    write_atomic(path, buffer.getvalue())


def save_arrays(path: str | os.PathLike[str], arrays: Mapping[str, Any]) -> None:
    """Writes named arrays to an `.npz` file atomically, without compression; see `write_atomic`."""
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    write_atomic(path, buffer.getvalue())
