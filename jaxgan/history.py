"""What a run has recorded: JSON lines, each with the train step it belongs to."""

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np


def append(path: Path, lines: Iterable[dict[str, Any]]) -> None:
    """Adds lines to the file, and sees to it that they are on the disk."""
    with path.open("a") as file:
        file.writelines(json.dumps(line) + "\n" for line in lines)
        file.flush()
        os.fsync(file.fileno())


def read(path: Path) -> dict[str, np.ndarray]:
    """The file by columns, `[number of lines]` each: `{"step": …, "d_loss": …}`. Empty where there is no file."""
    lines = [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []
    return {name: np.array([line[name] for line in lines]) for name in (lines[0] if lines else ())}


def cut_back(path: Path, step: int) -> None:
    """Drops the lines after a train step, and a last line that was cut off while being written."""
    if not path.exists():
        return
    kept = [
        line
        for line in path.read_text().splitlines(keepends=True)
        if line.endswith("\n") and json.loads(line)["step"] <= step
    ]
    write_whole(path, "".join(kept).encode())


def write_whole(path: Path, content: bytes) -> None:
    """Replaces the file at once: whoever reads it finds the old content or the new, never a part."""
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.tmp")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
