"""Writers: copy the records of a run to dashboards, such as TensorBoard.

The logs in JSON Lines format are always written. Writers receive the same values: the mean metrics
of every block, scores, scalar probes, images of samples, and the settings. A writer that fails is
reported once and then disabled; training continues.

`writers.json` contains, for each writer, the last train steps whose scalars and images are on disk.
When a run is resumed, records after the checkpoint are replaced, and missing records are copied
from the logs, so that there are neither gaps nor duplicates.
"""

import json
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from jaxgan._io import write_json
from jaxgan.training.config_file import format_config
from jaxgan.training.metric_log import parse_row

RECORD_NAME = "writers.json"


class Writer(Protocol):
    """Writes the records of a run to a dashboard. All methods may raise any exception."""

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """Writes scalars of a train step by name, such as `{"metrics/d_loss": 0.7}`."""
        ...

    def images(self, step: int, images: dict[str, np.ndarray]) -> None:
        """Writes images of a train step by name, uint8 `[H, W, 3]`."""
        ...

    def text(self, step: int, texts: dict[str, str]) -> None:
        """Writes Markdown texts of a train step by name."""
        ...

    def flush(self) -> None:
        """Blocks until all records are on disk or sent, so that they survive a killed process."""
        ...

    def close(self) -> None:
        """Flushes the records and releases the resources."""
        ...


OpenWriterFn = Callable[[Path, int, dict[str, Any]], Writer]


class RunWriters:
    """The writers of a run. Exceptions of a writer are reported, not raised."""

    def __init__(
        self, open_fns: Mapping[str, OpenWriterFn], workdir: Path, log_fn: Callable[[str], None]
    ):
        """Stores the arguments; `open` opens the writers.

        Args:
          open_fns: `{name: (workdir, step, config) -> Writer}`. A writer must remove its existing
            records of train steps after `step`, or ignore them when they are written again; `step`
            is -1 if there are no records. `config` is the content of config.json.
          workdir: Directory of the run.
          log_fn: Receives a message about a writer that fails.
        """
        self._open_fns, self._workdir, self._log_fn = open_fns, workdir, log_fn
        self._writers: dict[str, Writer] = {}
        self._steps: dict[str, dict[str, int]] = {}

    def open(self, step: int, config: dict[str, Any]) -> None:
        """Opens the writers and copies missing records from the logs.

        Args:
          step: The train step at which training starts or resumes.
          config: The content of config.json.
        """
        recorded = read_record(self._workdir / RECORD_NAME) if self._open_fns else {}
        for name, open_fn in self._open_fns.items():
            kept = {
                # A run that starts from step 0 replaces all records.
                kind: min(step or -1, recorded.get(name, {}).get(kind, -1))
                for kind in ("scalars", "images")
            }
            self._steps[name] = kept
            self._guard(name, self._open_one, name, open_fn, step, config)

    def _open_one(
        self, name: str, open_fn: OpenWriterFn, step: int, config: dict[str, Any]
    ) -> None:
        start = self._steps[name]["scalars"]
        writer = self._writers[name] = open_fn(self._workdir, start, config)
        writer.text(start + 1, {"config": f"```json\n{format_config(config)}```"})
        if step > 0:
            for logged, values in read_scalars(self._workdir, start, step):
                writer.scalars(logged, values)
            self._steps[name]["scalars"] = step

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """Passes scalars to every writer."""
        for name, writer in [*self._writers.items()]:
            if self._guard(name, writer.scalars, step, values):
                self._steps[name]["scalars"] = step

    def images(self, step: int, images: dict[str, np.ndarray]) -> None:
        """Passes images to every writer that has none of this train step yet."""
        for name, writer in [*self._writers.items()]:
            if step > self._steps[name]["images"] and self._guard(
                name, writer.images, step, images
            ):
                self._steps[name]["images"] = step

    def flush(self) -> None:
        """Flushes every writer and records its steps in writers.json."""
        for name, writer in [*self._writers.items()]:
            self._guard(name, self._flush_one, name, writer)

    def _flush_one(self, name: str, writer: Writer) -> None:
        writer.flush()
        path = self._workdir / RECORD_NAME
        write_json(path, read_record(path) | {name: self._steps[name]})

    def close(self) -> None:
        """Flushes and closes every writer."""
        self.flush()
        for name, writer in [*self._writers.items()]:
            self._guard(name, writer.close)
        self._writers.clear()

    def _guard(self, name: str, function: Callable[..., None], *args: Any) -> bool:
        """Calls a function of a writer; disables the writer and returns False if it raises."""
        try:
            function(*args)
        except Exception as error:  # writers raise the exceptions of any library
            self._writers.pop(name, None)
            reason = f"{type(error).__name__}: {error}"
            self._log_fn(
                f"The writer {name} failed and is disabled; training continues ({reason}). The "
                "missing records are written when the run is resumed."
            )
            return False
        return True


def block_scalars(rows: list[dict[str, Any]], timing: dict[str, float]) -> dict[str, float]:
    """Returns the mean metrics of a block of train steps, and its speed.

    Args:
      rows: The metrics of each train step.
      timing: The block's row of timing.jsonl.

    Returns:
      `{"metrics/…": mean, "timing/steps_per_second": speed}`.
    """
    names = [name for name in rows[0] if name != "step"]
    means = {f"metrics/{name}": float(np.mean([row[name] for row in rows])) for name in names}
    return means | {"timing/steps_per_second": timing["steps"] / timing["seconds"]}


def named_scalars(group: str, row: dict[str, Any]) -> dict[str, float]:
    """Returns the scalars of a row of probes or scores as `{"group/name": value}`."""
    return {
        f"{group}/{name}": float(value)
        for name, value in row.items()
        if name != "step" and isinstance(value, int | float)
    }


def read_scalars(workdir: Path, start: int, end: int) -> Iterable[tuple[int, dict[str, float]]]:
    """Returns the scalars of the train steps `start` + 1 to `end` from the logs, by step.

    Raises:
      DataError: If a log is corrupt.
    """
    records: dict[int, dict[str, float]] = {}
    metrics = {row["step"]: row for row in read_rows(workdir / "metrics.jsonl")}
    for timing in read_rows(workdir / "timing.jsonl"):
        step = timing["step"]
        if start < step <= end:
            block = [metrics[i] for i in range(step - timing["steps"] + 1, step + 1)]
            records[step] = block_scalars(block, timing)
    for group in ("probes", "scores"):
        for row in read_rows(workdir / f"{group}.jsonl"):
            if start < row["step"] <= end:
                records.setdefault(row["step"], {}).update(named_scalars(group, row))
    return sorted(records.items())


def read_rows(path: Path) -> list[dict[str, Any]]:
    """Returns the rows of a log; an empty list if it does not exist."""
    if not path.exists():
        return []
    return [parse_row(path, line) for line in path.read_text().splitlines()]


def read_record(path: Path) -> dict[str, dict[str, int]]:
    """Returns the content of writers.json; an empty dict if it is missing or corrupt."""
    try:
        record = json.loads(path.read_text())
    except (OSError, ValueError):
        return {}
    return record if isinstance(record, dict) else {}
