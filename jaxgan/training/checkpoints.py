"""Checkpoints on disk: saved atomically by Orbax, and verified by checksums when they are read.

Only this module and `orbax_utils` use Orbax's checkpoint API.
"""

import math
import os
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import jax
import orbax.checkpoint as ocp
from orbax.checkpoint import checkpoint_managers

from jaxgan.distributed.multihost import any_process, barrier, is_primary_process, process_ids
from jaxgan.distributed.sharding import to_host_local
from jaxgan.errors import CheckpointError, CorruptCheckpointError
from jaxgan.training.checksums import (
    make_manifest,
    verify_arrays,
    verify_manifest,
    verify_structure,
)
from jaxgan.training.orbax_utils import silence_absl, summarize_error, with_sharding


class Checkpoints:
    """The checkpoints of a run, by train step. A context manager.

    A checkpoint contains a state and its manifest (see `checksums`). Saving is synchronous, because
    a failed asynchronous save keeps the process from ending. In a multi-process run, every process
    must make the same calls, on a directory that is visible to all of them.
    """

    def __init__(
        self, directory: str | os.PathLike[str], keep: int = 2, *, keep_every: int | None = None
    ):
        """Opens the directory, and creates it if it is missing.

        Args:
          directory: Directory of the checkpoints.
          keep: Number of latest checkpoints to keep, at least 1. The one with the best scores is
            kept too.
          keep_every: If given, checkpoints at multiples of this number of train steps are kept too.

        Raises:
          CheckpointError: If the path contains a character that Orbax interprets as a pattern.
        """
        self._directory = Path(directory).absolute()
        if set("[]*?") & set(str(self._directory)):
            raise CheckpointError(
                f"{self._directory} contains [, ], * or ?, which Orbax interprets as patterns; use "
                "a path without them"
            )
        if is_primary_process():
            self._directory.mkdir(parents=True, exist_ok=True)
        barrier("checkpoint directory exists")
        # Orbax's own metrics are not used to find the best step: Orbax reads those of all
        # checkpoints when it opens the directory, and fails if one is corrupt.
        options = ocp.CheckpointManagerOptions(
            preservation_policy=LatestAndBest(keep, keep_every, self._best_fn),
            enable_async_checkpointing=False,
            create=False,
            multiprocessing_options=ocp.options.MultiprocessingOptions(
                active_processes=process_ids()
            ),
        )
        self._manager = ocp.CheckpointManager(self._directory, options=options)
        # Reading bypasses the manager, which waits for the other processes after reading, even for
        # one that failed to read its part.
        self._reader = ocp.CompositeCheckpointHandler(
            state=ocp.StandardCheckpointHandler(), meta=ocp.JsonCheckpointHandler()
        )

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._manager.close()
        self._reader.close()

    @property
    def all_steps(self) -> list[int]:
        """The train steps that have a checkpoint, ascending."""
        return sorted(self._manager.all_steps())

    @property
    def best_step(self) -> int | None:
        """The train step whose first score is the lowest; None if no checkpoint has scores."""
        return select_best_step(self.all_steps, self._best_fn)

    def save(
        self, step: int, state: Any, record: dict[str, Any], scores: dict[str, float] | None = None
    ) -> None:
        """Saves a checkpoint atomically.

        Args:
          step: The train step.
          state: A pytree of arrays.
          record: JSON-serializable description of the run, such as the content of config.json.
          scores: Scores by name. The first selects the best checkpoint: the lower, the better.

        Raises:
          CheckpointError: If it cannot be saved, for example on a full disk. Earlier checkpoints
            are untouched.
        """
        manifest = make_manifest(to_host_local(state), record, scores)
        items = ocp.args.Composite(
            state=ocp.args.StandardSave(state), meta=ocp.args.JsonSave(manifest)
        )
        try:
            with silence_absl():
                self._manager.save(step, args=items)
        except Exception as error:  # Orbax raises errors of many types
            raise CheckpointError(
                f"{self._directory}/{step} could not be saved: {summarize_error(error)}. Earlier "
                f"checkpoints are untouched (steps: {self.all_steps or 'none'}). Fix the problem "
                "and run the same program to resume"
            ) from error

    def restore(self, step: int, like: Any) -> tuple[Any, dict[str, Any]]:
        """Returns the state and the record that were saved at a train step.

        Args:
          step: One of `all_steps`.
          like: A pytree with the structure, shapes and dtypes of the state, such as
            `jax.eval_shape` returns. Arrays are restored with its shardings, or to the first local
            device if it has none.

        Raises:
          CheckpointError: If there is no such checkpoint, it has another format, or its arrays
            differ from `like`.
          CorruptCheckpointError: If it cannot be read, or differs from what was saved.
        """
        if step not in self.all_steps:
            raise CheckpointError(
                f"{self._directory} has no checkpoint of step {step}; give one of the existing "
                f"steps: {self.all_steps or 'none'}"
            )
        path = f"{self._directory}/{step}"
        manifest = self._read_on_all(step, lambda: self._read_manifest(step))
        verify_structure(manifest, like, path)
        args = ocp.args.StandardRestore(jax.tree.map(with_sharding, like))
        state = self._read_on_all(step, lambda: self._read(step, state=args)).state
        verify_arrays(manifest, to_host_local(state), path)
        return state, manifest["record"]

    def restore_latest(self, like: Any, log_fn: Callable[[str], None]) -> tuple[Any, int] | None:
        """Returns the state and the step of the latest intact checkpoint, or None if none exists.

        Corrupt checkpoints are moved to the directory `quarantine` next to this one, and reported.

        Args:
          like: See `restore`.
          log_fn: Receives the messages.

        Raises:
          CheckpointError: As `restore` does, or if all checkpoints are corrupt.
        """
        for step in reversed(self.all_steps):
            try:
                return self.restore(step, like)[0], step
            except CorruptCheckpointError as error:
                log_fn(f"{error}\nIt was moved to {self._quarantine(step)}.")
        # Checked on disk, so that the same command does not start from scratch when it is repeated.
        if any(self._quarantine_directory.glob("*")):
            raise CheckpointError(
                f"{self._directory}: all checkpoints are corrupt; start over with --overwrite or "
                f"in another workdir, or remove {self._quarantine_directory}"
            )
        return None

    @property
    def _quarantine_directory(self) -> Path:
        return self._directory.with_name("quarantine")

    def _quarantine(self, step: int) -> Path:
        names = (f"{step}", *(f"{step}-{i}" for i in range(2, 1_000)))
        paths = (self._quarantine_directory / name for name in names)
        target = next(path for path in paths if not path.exists())
        barrier("quarantine path chosen")
        if is_primary_process():
            target.parent.mkdir(exist_ok=True)
            (self._directory / str(step)).rename(target)
        barrier("corrupt checkpoint moved")
        self._manager.reload()
        return target

    def _read_manifest(self, step: int) -> dict[str, Any]:
        manifest = self._read(step, meta=ocp.args.JsonRestore()).meta
        return verify_manifest(manifest, f"{self._directory}/{step}")

    def _best_fn(self, step: int) -> float | None:
        """Returns minus the first score; None if there is none that can be read, or it is NaN."""
        try:
            scores = self._read_manifest(step)["scores"]
        except CheckpointError:
            return None
        return -scores[0][1] if scores and not math.isnan(scores[0][1]) else None

    def _read_on_all(self, step: int, read_fn: Callable[[], Any]) -> Any:
        """Calls `read_fn` on every process; if it raises on one, it raises on all of them."""
        result, error = None, None
        try:
            result = read_fn()
        except CheckpointError as read_error:
            error = read_error
        barrier("checkpoint part read")
        corrupt = isinstance(error, CorruptCheckpointError)
        refused = error is not None and not corrupt
        for kind, raised in ((CheckpointError, refused), (CorruptCheckpointError, corrupt)):
            if any_process(raised):
                message = f"{self._directory}/{step} cannot be read by another process"
                raise (error if raised else None) or kind(message)
        return result

    def _read(self, step: int, **items: ocp.args.CheckpointArgs) -> Any:
        try:
            with silence_absl():
                return self._reader.restore(
                    self._manager.directory / str(step), args=ocp.args.Composite(**items)
                )
        except jax.errors.JaxRuntimeError:  # another process has ended
            raise
        except Exception as error:  # Orbax raises errors of many types for corrupt files
            missing = isinstance(error, FileNotFoundError | NotADirectoryError)
            # Any other OSError, such as a failing disk, does not mean that the files are corrupt.
            corrupt = missing or not isinstance(error, OSError)
            kind = CorruptCheckpointError if corrupt else CheckpointError
            message = f"{self._directory}/{step} cannot be read: {summarize_error(error)}"
            raise kind(message) from error


class LatestAndBest:
    """Orbax preservation policy: keeps the latest checkpoints, the best, and those at multiples.

    Args:
      keep: Number of latest checkpoints to keep.
      keep_every: If given, checkpoints at multiples of this number of train steps are kept too.
      best_fn: Maps a train step to a value, the higher the better; None if it has no scores.
    """

    def __init__(self, keep: int, keep_every: int | None, best_fn: Callable[[int], float | None]):
        self._keep, self._keep_every, self._best_fn = keep, keep_every, best_fn

    def should_preserve(
        self,
        checkpoints: Sequence[checkpoint_managers.PolicyCheckpointInfo],
        *,
        context: checkpoint_managers.PreservationContext,
    ) -> Sequence[bool]:
        """Returns for each checkpoint, oldest first, whether to keep it."""
        del context
        steps = [checkpoint.step for checkpoint in checkpoints]
        kept = {*steps[-self._keep :], select_best_step(steps, self._best_fn)}
        if self._keep_every is not None:
            kept |= {step for step in steps if step % self._keep_every == 0}
        return [step in kept for step in steps]


def select_best_step(steps: Sequence[int], best_fn: Callable[[int], float | None]) -> int | None:
    """Returns the step with the highest value, the later of equals; None if none has a value."""
    values = [(value, step) for step in steps if (value := best_fn(step)) is not None]
    return max(values)[1] if values else None
