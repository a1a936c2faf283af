"""Callbacks of the training loop, and when they are called."""

import dataclasses
import os
import reprlib
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import numpy as np

from jaxgan._checks import check_callable
from jaxgan.distributed.multihost import barrier, is_primary_process
from jaxgan.distributed.sharding import to_host_local
from jaxgan.errors import ConfigError
from jaxgan.states import GANState
from jaxgan.training import metric_log
from jaxgan.training.blocks import maybe_vmap
from jaxgan.training.hints import data_range_hint, parameter_checksums, unchanged_hint
from jaxgan.training.options import TrainOptions
from jaxgan.training.program import Program
from jaxgan.training.progress import Progress, make_line_reporter
from jaxgan.training.writers import (
    OpenWriterFn,
    RunWriters,
    block_scalars,
    named_scalars,
)


@dataclasses.dataclass(frozen=True, kw_only=True)
class Callbacks:
    """Functions that `train` calls, in the primary process only. None disables a callback.

    A callback receives the same key at every call, so its results at different steps are
    comparable. For a population, the arrays of the state and the keys of `evaluate` and `draw` have
    a leading axis of members. The memory of the state is reused after the call: copy the arrays
    that are needed later. An error of `probe` or `evaluate` ends the run, after the checkpoint is
    saved if one is due.

    Attributes:
      probe: `(state, key) -> {name: scalar or [n]}`, a pure function of the state of one GAN. It is
        jit-compiled, and mapped over the members of a population. Called at the start of a new
        run, after every `probe_every` train steps of an epoch, and at the end of each epoch. Logged
        to probes.jsonl.
      evaluate: `(state, key) -> {name: number}`. Called after every `evaluate_every` epochs and at
        the end of the run. Logged to scores.jsonl. The checkpoint with the lowest first score is
        kept; one whose first score is NaN does not count.
      draw: `(state, key, step) -> None or {name: picture}`. Called at the start, after every epoch
        and at the end of the run, once the checkpoint is saved, and in the first epoch after
        `probe_every` train steps, twice as many, four times as many, and so on. Pictures, uint8
        `[H, W, 3]`, are passed to the writers. If it raises an error, the error is logged and
        training continues.
      progress: `(Progress) -> None`. Called after every block. Prints lines by default; None is
        silent.
      log: `(text) -> None`. Receives messages, for example that a run is resumed or that a
        checkpoint is corrupt. Prints them by default; None is silent.
      writers: `{name: (workdir, step, config) -> Writer}`, such as `find_writers(["tensorboard"])`
        returns. They receive the mean metrics of every block, scores, probes that are numbers, and
        the pictures of `draw`. A writer that fails is reported once, and training continues.

    Raises:
      ConfigError: If a callback is not a function of these arguments.
    """

    probe: Callable[[GANState, jax.Array], dict[str, jax.Array]] | None = None
    evaluate: Callable[[GANState, jax.Array], dict[str, float]] | None = None
    draw: Callable[[GANState, jax.Array, int], dict[str, np.ndarray] | None] | None = None
    progress: Callable[[Progress], None] | None = dataclasses.field(
        default_factory=make_line_reporter
    )
    log: Callable[[str], None] | None = print
    writers: Mapping[str, OpenWriterFn] = dataclasses.field(default_factory=dict)

    def __post_init__(self):
        """Raises ConfigError at the first callback that cannot be called as `train` does."""
        arguments = {
            "probe": ("state", "key"),
            "evaluate": ("state", "key"),
            "draw": ("state", "key", "step"),
            "progress": ("progress",),
            "log": ("text",),
        }
        for name, names in arguments.items():
            if (callback := getattr(self, name)) is not None:
                check_callable(f"the callback {name}", callback, *names)
        for name, open_fn in dict(self.writers).items():
            check_callable(f"the writer {name}", open_fn, "workdir", "step", "config")


class CallbackRunner:
    """Calls the callbacks of a run when they are due, and logs what they return."""

    def __init__(
        self,
        callbacks: Callbacks,
        workdir: Path,
        program: Program,
        options: TrainOptions,
    ):
        """Disables all callbacks in every process except the primary."""
        if not is_primary_process():
            callbacks = Callbacks(progress=None, log=None)
        self._callbacks, self._workdir, self._options = callbacks, workdir, options
        self._program = program
        self._writers = RunWriters(callbacks.writers, workdir, self.log)
        self._streams, self._steps_per_epoch = program.streams, program.steps_per_epoch
        self._probe = callbacks.probe and jax.jit(
            maybe_vmap(callbacks.probe, (0, 0), options.num_seeds is not None)
        )
        self._scores: dict[str, float] = {}
        self._checksums: tuple[int, dict[str, int]] | None = None
        self._is_unchanged = False
        self._error: Exception | None = None

    def log(self, text: str) -> None:
        """Passes a message to the callback `log`."""
        if self._callbacks.log is not None:
            self._callbacks.log(text)

    def append(self, name: str | os.PathLike[str], rows: list[dict[str, Any]]) -> None:
        """Appends rows to a log of the workdir, in the primary process."""
        if is_primary_process():
            metric_log.append_rows(self._workdir / name, rows)

    def append_block(self, step: int, rows: list[dict[str, Any]], timing: dict[str, float]) -> None:
        """Logs the metrics of the train steps of a block, the last of which is `step`."""
        first = step - len(rows) + 1
        self.append("metrics.jsonl", [{"step": i} | row for i, row in enumerate(rows, first)])
        self.append("timing.jsonl", [{"step": step} | timing])
        self._writers.scalars(step, block_scalars(rows, timing))

    def close(self) -> None:
        """Flushes and closes the writers."""
        self._writers.close()

    def begin(self, state: GANState, step: int, record: dict[str, Any]) -> None:
        """Opens the writers, probes a new run, and draws the figures of the first step.

        Args:
          state: The state at which training begins.
          step: Its train step.
          record: The content of config.json.
        """
        self._writers.open(step, record)
        if step == 0:
            local = to_host_local(state)  # by every process, because it may all-gather
            if is_primary_process() and (hint := data_range_hint(self._program, local)):
                self.log(hint)
            self.measure(state, step)
            self._raise_error()
        if self._is_drawn(step):  # figures may be missing if the run was killed while drawing
            self._draw(state, step)

    def saves_at(self, step: int) -> bool:
        """Returns whether a checkpoint is due after train step `step`."""
        every = self._options.keep_every
        return self._epoch_ended(step) or (every is not None and step % every == 0)

    def measure(self, state: GANState, step: int) -> dict[str, float] | None:
        """Calls `probe` and `evaluate` if they are due, and returns the scores if there are any.

        An exception is stored, and raised by `after_save` once the checkpoint is saved.
        """
        probes = step % self._steps_per_epoch % self._options.probe_every == 0
        if not (probes or self._epoch_ended(step)):
            return None
        state, scores = to_host_local(state), None
        if self._epoch_ended(step):
            self._hint_if_unchanged(state, step)
        try:
            if probes and self._probe is not None:
                values = jax.device_get(self._probe(state, jax.random.clone(self._streams.probe)))
                row = to_row("probe", values, to_list)
                self.append("probes.jsonl", [{"step": step} | row])
                self._writers.scalars(step, named_scalars("probes", row))
            if self._callbacks.evaluate is not None and self._is_evaluated(step):
                returned = self._callbacks.evaluate(state, jax.random.clone(self._streams.eval))
                scores = to_row("evaluate", returned, float)
                self.append("scores.jsonl", [{"step": step} | scores])
                self._writers.scalars(step, named_scalars("scores", scores))
                self._scores = scores
        except Exception as error:
            self._error = error
        barrier("probes and scores computed")
        return scores

    def after_save(
        self, state: GANState, step: int, metrics: dict[str, float], timing: dict[str, float]
    ) -> None:
        """Raises the exception that `measure` stored, draws figures if due, reports progress."""
        self._raise_error()
        if self._is_drawn(step):
            self._draw(state, step)
        if self.saves_at(step):
            self._writers.flush()
        if self._callbacks.progress is not None:
            speed, total = timing["steps"] / timing["seconds"], self._options.steps
            self._callbacks.progress(
                Progress(step, total, self._steps_per_epoch, speed, metrics, self._scores)
            )

    def _draw(self, state: GANState, step: int) -> None:
        state = to_host_local(state)
        if self._callbacks.draw is not None:
            try:
                key = jax.random.clone(self._streams.sample)
                if pictures := self._callbacks.draw(state, key, step):
                    self._writers.images(step, pictures)
            except Exception as error:  # a failed figure must not stop training
                reason = f"{type(error).__name__}: {error}"
                self.log(f"Drawing step {step:,} failed, but training continues: {reason}")
        barrier("figures drawn")

    def _hint_if_unchanged(self, state: GANState, step: int) -> None:
        if not is_primary_process():
            return
        checksums = parameter_checksums(state)
        if self._checksums is not None and step > self._checksums[0]:
            since, before = self._checksums
            hint = unchanged_hint(before, checksums, step - since)
            if hint and not self._is_unchanged:  # once is enough
                self.log(hint)
            self._is_unchanged = hint is not None
        self._checksums = step, checksums

    def _raise_error(self) -> None:
        if self._error is not None:
            raise self._error

    def _epoch_ended(self, step: int) -> bool:
        return step % self._steps_per_epoch == 0 or step == self._options.steps

    def _is_drawn(self, step: int) -> bool:
        if self._epoch_ended(step):
            return True
        count, rest = divmod(step, self._options.probe_every)
        is_power_of_two = count.bit_count() == 1
        return step < self._steps_per_epoch and rest == 0 and is_power_of_two

    def _is_evaluated(self, step: int) -> bool:
        if step == self._options.steps:
            return True
        every, (epoch, index) = self._options.evaluate_every, divmod(step, self._steps_per_epoch)
        return every is not None and index == 0 and epoch > 0 and epoch % every == 0


def to_row(callback: str, returned: Any, convert: Callable[[Any], Any]) -> dict[str, Any]:
    """Returns what a callback returned, converted to a row of a log, without its step.

    Args:
      callback: Name of the callback, for the message.
      returned: `{name: value}`.
      convert: Converts a value to one that JSON can store.

    Raises:
      ConfigError: If it is not such a dict, or a name is `"step"`.
    """
    try:
        row = {str(name): convert(value) for name, value in returned.items()}
    except (AttributeError, TypeError, ValueError) as error:
        raise ConfigError(
            f"the callback {callback} returned {reprlib.repr(returned)}, expected a dict such as "
            f'{{"distance": 1.5}}; return a number for each name ({error})'
        ) from error
    if "step" in row:
        raise ConfigError(
            f"the callback {callback} returned a value named 'step', which is the name of the "
            "train step in the log; use another name"
        )
    return row


def to_list(value: Any) -> Any:
    """Returns an array of real numbers as a number or a nested list of numbers."""
    if np.iscomplexobj(value):
        raise TypeError("a value is complex")
    return value.tolist()
