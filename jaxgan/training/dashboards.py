"""The writers for TensorBoard and for Weights & Biases."""

import importlib.util
import json
import secrets
import time
from collections.abc import Iterable
from html import escape
from pathlib import Path
from typing import Any, Literal

import numpy as np

from jaxgan._io import write_json
from jaxgan.errors import ConfigError, DataError
from jaxgan.training.writers import OpenWriterFn, Writer

WriterName = Literal["tensorboard", "wandb"]


class TensorBoardWriter(Writer):
    """Writes event files to `workdir/tensorboard`, which TensorBoard reads.

    A new event file begins with a session start at `step` + 1, at which TensorBoard discards later
    records of earlier files.
    """

    def __init__(self, workdir: Path, step: int, config: dict[str, Any]):
        """Opens a new event file."""
        del config
        # Not SummaryWriter: it writes in a thread, and its `flush` does not wait for that thread.
        from tensorboardX import event_file_writer, summary
        from tensorboardX.proto import event_pb2

        events: Any = event_pb2  # pyright cannot see messages that are built at import
        self._summary, self._event = summary, events.Event
        folder = workdir / "tensorboard"
        folder.mkdir(parents=True, exist_ok=True)
        # The suffix distinguishes files of one second, since tensorboardX adds only the seconds.
        self._file = event_file_writer.EventsWriter(str(folder / "events"), f".{time.time_ns()}")
        start = events.SessionLog(status=events.SessionLog.START)
        self._write(step + 1, session_log=start)

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """See `Writer`."""
        for name, value in values.items():
            self._write(step, summary=self._summary.scalar(name, value))
        self.flush()  # so that TensorBoard shows every block at once

    def images(self, step: int, images: dict[str, np.ndarray]) -> None:
        """See `Writer`."""
        for name, image in images.items():
            self._write(step, summary=self._summary.image(name, image, dataformats="HWC"))

    def text(self, step: int, texts: dict[str, str]) -> None:
        """See `Writer`."""
        for name, text in texts.items():
            self._write(step, summary=self._summary.text(name, text))

    def flush(self) -> None:
        """See `Writer`."""
        self._file.flush()

    def close(self) -> None:
        """See `Writer`."""
        self._file.close()

    def _write(self, step: int, **content: Any) -> None:
        self._file.write_event(self._event(step=step, wall_time=time.time(), **content))


class WandbWriter(Writer):
    """Writes to Weights & Biases (W&B), with local files in `workdir/wandb`.

    `workdir/wandb.json` contains the id of the run at W&B and the last train step that was sent. A
    resumed run continues under the same id. W&B cannot replace records, so those up to that step
    are not sent again. The environment variables of W&B apply, such as WANDB_PROJECT, WANDB_ENTITY
    and WANDB_MODE.
    """

    def __init__(self, workdir: Path, step: int, config: dict[str, Any]):
        """Starts a run at W&B, or resumes the recorded one."""
        import wandb

        self._wandb, self._path = wandb, workdir / "wandb.json"
        self._id, self._sent = secrets.token_hex(4), -1
        if step >= 0 and self._path.exists():
            self._id, self._sent = read_wandb_record(self._path)
        self._record()
        self._run = wandb.init(
            dir=workdir,
            id=self._id,
            resume="allow",
            name=workdir.name,
            config=config,
            settings=wandb.Settings(init_timeout=60, console="off"),
        )
        self._step, self._row = self._sent, {}

    def scalars(self, step: int, values: dict[str, float]) -> None:
        """See `Writer`."""
        self._add(step, values)

    def images(self, step: int, images: dict[str, np.ndarray]) -> None:
        """See `Writer`."""
        self._add(step, {name: self._wandb.Image(image) for name, image in images.items()})

    def text(self, step: int, texts: dict[str, str]) -> None:
        """See `Writer`."""
        html = {name: f"<pre>{escape(text)}</pre>" for name, text in texts.items()}
        self._add(step, {name: self._wandb.Html(text) for name, text in html.items()})

    def flush(self) -> None:
        """Sends the row of the latest train step; later additions to this step are dropped."""
        if self._row:
            self._run.log(self._row, step=self._step, commit=True)
            self._sent, self._row = self._step, {}
            self._record()

    def close(self) -> None:
        """See `Writer`."""
        self.flush()
        self._run.finish()

    def _add(self, step: int, values: dict[str, Any]) -> None:
        if step <= self._sent:
            return
        if step != self._step:
            self.flush()
        self._step = step
        self._row |= values

    def _record(self) -> None:
        write_json(self._path, {"id": self._id, "step": self._sent})


def read_wandb_record(path: Path) -> tuple[str, int]:
    """Returns the id and the last train step in wandb.json; raises DataError if it is corrupt."""
    try:
        record = json.loads(path.read_text())
        return str(record["id"]), int(record["step"])
    except (ValueError, KeyError, TypeError) as error:
        raise DataError(
            f"{path} is corrupt ({error!r}); remove it to send the run to W&B under a new id"
        ) from error


# The class of each writer, and the package that it needs: the extra of the writer's name.
WRITERS: dict[str, tuple[OpenWriterFn, str]] = {
    "tensorboard": (TensorBoardWriter, "tensorboardX"),
    "wandb": (WandbWriter, "wandb"),
}


def find_writers(names: Iterable[str]) -> dict[str, OpenWriterFn]:
    """Returns the writers of the given names, as the argument `writers` of `Callbacks`.

    Args:
      names: Any of `"tensorboard"` and `"wandb"`.

    Returns:
      `{name: (workdir, step, config) -> Writer}`.

    Raises:
      ConfigError: If there is no writer of a name, or its package is not installed.
    """
    found = {}
    for name in names:
        if name not in WRITERS:
            raise ConfigError(f"the writer {name!r} is unknown, expected {' or '.join(WRITERS)}")
        found[name], package = WRITERS[name]
        if importlib.util.find_spec(package) is None:
            raise ConfigError(
                f"the writer {name} needs the package {package}; install it with: "
                f"pip install 'jaxgan[{name}]'"
            )
    return found
