"""The logs of a run, in JSON Lines format: one object per line, with its train step in `step`."""

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from jaxgan._io import with_filename, write_atomic
from jaxgan.errors import DataError


def append_rows(path: str | os.PathLike[str], rows: Iterable[dict[str, Any]]) -> None:
    """Appends rows to the file and flushes them to the disk."""
    with with_filename(path), Path(path).open("a") as file:
        file.writelines(json.dumps(row) + "\n" for row in rows)
        file.flush()
        os.fsync(file.fileno())


def read_columns(
    path: str | os.PathLike[str], *, max_rows: int | None = None
) -> dict[str, np.ndarray]:
    """Returns the columns of a log, such as `{"step": …, "d_loss": …}`.

    A last row that is incomplete, because the run was killed or is just writing it, is left out.

    Args:
      path: The file, such as `workdir/metrics.jsonl`.
      max_rows: Maximum number of rows, at least 2. Of a longer log, only so many evenly spaced rows
        are parsed, among them the first and the last. None for all.

    Returns:
      An array per column, `[N]` or `[N, …]` for N rows. An empty dict if the file does not exist.

    Raises:
      DataError: If a row is corrupt, or rows have different keys.
    """
    path = Path(path)
    if not path.exists():
        return {}
    *lines, _ = path.read_bytes().split(b"\n")
    if max_rows is not None and len(lines) > max_rows:
        lines = [lines[i] for i in np.linspace(0, len(lines) - 1, max_rows).astype(int)]
    rows = [parse_row(path, line) for line in lines]
    check_keys(path, rows)
    return to_columns(path, rows)


def tail(path: str | os.PathLike[str]) -> Callable[[], dict[str, np.ndarray]]:
    """Returns a function like `read_columns` that parses only the rows added since its last call.

    If the file has become shorter, it is read from the start.
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
        check_keys(path, rows)
        return to_columns(path, rows)

    return read_new


def check_keys(path: Path, rows: list[dict[str, Any]]) -> None:
    """Raises DataError if rows have different keys."""
    if row := next((row for row in rows if row.keys() != rows[0].keys()), None):
        names = ", ".join(sorted(row.keys() ^ rows[0].keys()))
        raise DataError(
            f"{path}: its rows have different keys: only some have {names}, from step "
            f"{row['step']:,} on. Either the run was continued with other callbacks or another "
            "penalty, or the file is corrupt; fix or remove the rows that differ"
        )


def to_columns(path: Path, rows: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    """Returns `{"step": [1, …], …}` for `[{"step": 1, …}, …]`."""
    try:
        return {name: np.array([row[name] for row in rows]) for name in (rows[0] if rows else ())}
    except ValueError as error:
        raise DataError(
            f"{path} is corrupt: a key has lists of different lengths ({error}); fix or remove "
            "the rows that differ"
        ) from error


def truncate_after(path: str | os.PathLike[str], step: int) -> None:
    """Removes the rows of train steps after `step`, and a last row that is incomplete."""
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
    raise DataError(f"{path} is corrupt at the line {line[:60]!r}; fix or remove that line")
