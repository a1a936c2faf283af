"""TODO."""

import contextlib
import io
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from jaxgan import _io


def write_atomic(path: Path, content: bytes) -> None:
    """Replaces the file at once: whoever reads it finds the old content or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    with with_filename(path), temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)


@contextlib.contextmanager
def with_filename(path: Path) -> Iterator[None]:
    """Sees to it that an error of the file system names the file: a full disk is noticed where no name is known."""
    try:
        yield
    except OSError as error:
        error.filename = error.filename or str(path)
        raise


def save_array(path: Path, array: np.ndarray) -> None:
    """Writes an array as a whole .npy file."""
    buffer = io.BytesIO()
    np.save(buffer, array)
    _io.write_atomic(path, buffer.getvalue())
