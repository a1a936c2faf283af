"""What a run has recorded: JSON lines, each with the train step it belongs to."""

import json
import os
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

import numpy as np

from jaxgan._io import with_filename, write_atomic
from jaxgan.errors import DataError


def append_rows(path: Path, lines: Iterable[dict[str, Any]]) -> None:
    """Adds lines to the file, and sees to it that they are on the disk."""
    with with_filename(path), path.open("a") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
        file.flush()
        os.fsync(file.fileno())


def read_columns(path: Path) -> dict[str, np.ndarray]:
    """The file by columns, `[number of lines]` each: `{"step": …, "d_loss": …}`. Empty where there is no file."""
    return tail(path)()


def tail(path: Path) -> Callable[[], dict[str, np.ndarray]]:
    """`read`, for a file that grows by whole lines: the function returned parses only what is new since its last call.

    Where the file has been cut back in between, it is read anew.
    """
    lines: list[dict[str, Any]] = []
    end = 0

    def columns() -> dict[str, np.ndarray]:
        nonlocal end
        if not path.exists():
            return {}
        if path.stat().st_size < end:
            lines.clear()
            end = 0
        with path.open("rb") as file:
            file.seek(end)
            lines.extend(parse_row(path, line) for line in file)
            end = file.tell()
        if any(line.keys() != lines[0].keys() for line in lines):
            raise DataError(
                f"{path} is damaged: its lines have different fields; mend those that differ, or remove them"
            )
        return to_columns(lines)

    return columns


def to_columns(lines: list[dict[str, Any]]) -> dict[str, np.ndarray]:
    """`[{"step": 1, …}, …]` as `{"step": [1, …], …}`."""
    return {name: np.array([line[name] for line in lines]) for name in (lines[0] if lines else ())}


def truncate_after(path: Path, step: int) -> None:
    """Drops the lines after a train step, and a last line that was cut off while being written."""
    if not path.exists():
        return
    kept = [
        line
        for line in path.read_bytes().splitlines(keepends=True)
        if line.endswith(b"\n") and parse_row(path, line)["step"] <= step
    ]
    write_atomic(path, b"".join(kept))


def parse_row(path: Path, line: str | bytes) -> dict[str, Any]:
    """A line of the file. Raises DataError where it is damaged."""
    try:
        content = json.loads(line)
        if isinstance(content["step"], int):
            return content
    except (ValueError, KeyError, TypeError):
        pass
    raise DataError(f"{path} is damaged at the line {line[:60]!r}; mend that line, or remove it")
