"""The logs of a run: JSON lines, one object per line, each with the train step it belongs to."""

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from jaxgan._io import with_filename, write_atomic
from jaxgan.errors import DataError


def append_rows(path: str | os.PathLike, rows: Iterable[dict[str, Any]]) -> None:
    """Appends rows to the file and flushes them to the disk."""
    with with_filename(path), Path(path).open("a") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
        file.flush()
        os.fsync(file.fileno())


def read_columns(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Returns the columns of a log, `[number of rows]` each, such as `{"step": …, "d_loss": …}`.

    Returns an empty dict if the file does not exist.

    Raises:
      DataError: If a row is damaged, or rows have different keys.
    """
    return tail(path)()


def tail(path: str | os.PathLike) -> Callable[[], dict[str, np.ndarray]]:
    """Returns a function like `read_columns` that parses only the rows added since its last call.

    If the file became shorter in between, it is read from the start.
    """
    path = Path(path)
    rows: list[dict[str, Any]] = []
    end = 0

    def read_new() -> dict[str, np.ndarray]:
        nonlocal end
        if not path.exists():
            return {}
        if path.stat().st_size < end:
            rows.clear()
            end = 0
        with path.open("rb") as file:
            file.seek(end)
            rows.extend([parse_row(path, line) for line in file])  # all of them or none
            end = file.tell()
        if any(row.keys() != rows[0].keys() for row in rows):
            raise DataError(
                f"{path} is damaged: its rows have different keys; fix or remove those that differ"
            )
        try:
            return to_columns(rows)
        except ValueError as error:
            raise DataError(
                f"{path} is damaged: a key has lists of different lengths ({error}); fix or remove "
                "the rows that differ"
            ) from error

    return read_new


def to_columns(rows: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    """Returns `{"step": [1, …], …}` for `[{"step": 1, …}, …]`."""
    return {name: np.array([row[name] for row in rows]) for name in (rows[0] if rows else ())}


def truncate_after(path: str | os.PathLike, step: int) -> None:
    """Removes the rows after a train step, and a last row that was only partly written."""
    path = Path(path)
    if not path.exists():
        return
    lines = [line for line in path.read_bytes().splitlines(keepends=True) if line.endswith(b"\n")]
    write_atomic(path, b"".join(line for line in lines if parse_row(path, line)["step"] <= step))


def parse_row(path: Path, line: str | bytes) -> dict[str, Any]:
    """Parses one row. Raises DataError if it is not a JSON object with an integer `step`."""
    try:
        row = json.loads(line)
        if isinstance(row["step"], int):
            return row
    except (ValueError, KeyError, TypeError):
        pass
    raise DataError(f"{path} is damaged at the line {line[:60]!r}; fix or remove that line")
