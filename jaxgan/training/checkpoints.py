"""A checkpoint is whole or it is not there. The only file that knows Orbax' checkpoints."""

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
    array_checksum,
    dtype_and_shape,
    first_mismatch,
    json_checksum,
    tree_checksums,
)
from jaxgan.training.orbax_utils import silence_absl, summarize_error, with_sharding

FORMAT_VERSION = 2


class Checkpoints:
    """The checkpoints of a run, by train step; the newest `keep` stay, and the one with the best scores.

    A context manager. Each checkpoint holds a state, a JSON record, its scores, a digest of every array and one of all
    the rest: Orbax's own format would let a flipped bit pass. Saving is synchronous, because a failed asynchronous save
    keeps the process from ending. Of several processes all have to do the same with it, in one folder that all see.
    """

    def __init__(self, directory: Path, keep: int = 2):
        self._directory = directory.absolute()
        if set("[]*?") & set(str(self._directory)):
            raise CheckpointError(
                f"{self._directory}: Orbax takes [, ], * and ? in a path for patterns; choose another"
            )
        # Not by Orbax's own metrics: it reads those of all checkpoints first of all, and ends at damaged ones.
        if is_primary_process():
            self._directory.mkdir(parents=True, exist_ok=True)
        barrier("the folder of the checkpoints is there")
        options = ocp.CheckpointManagerOptions(
            preservation_policy=LatestAndBest(keep, self._best_fn),
            enable_async_checkpointing=False,
            create=False,
            multiprocessing_options=ocp.options.MultiprocessingOptions(
                active_processes=process_ids()
            ),
        )
        self._manager = ocp.CheckpointManager(self._directory, options=options)
        # Not by the manager: after reading it waits for the other processes, also for one that could not read its part.
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
        """The train steps that are there, ascending."""
        return sorted(self._manager.all_steps())

    @property
    def best_step(self) -> int | None:
        """The train step of the checkpoint whose first score is the lowest; None where none has scores."""
        return select_best_step(self.all_steps, self._best_fn)

    def save(
        self, step: int, state: Any, record: dict[str, Any], scores: dict[str, float] | None = None
    ) -> None:
        """Saves a pytree of arrays, a JSON record of what they belong to, and its scores, atomically.

        By the first of the scores, the lower the better, the best checkpoint is told.

        Raises:
          CheckpointError: where that fails, such as on a full disk; the earlier checkpoints stay.
        """
        meta = {"format": FORMAT_VERSION, "record": record, "scores": list((scores or {}).items())}
        meta |= {"arrays": tree_checksums(to_host_local(state), array_checksum)}
        meta |= {"digest": json_checksum(meta)}
        items = ocp.args.Composite(state=ocp.args.StandardSave(state), meta=ocp.args.JsonSave(meta))
        try:
            with silence_absl():
                self._manager.save(step, args=items)
        except Exception as error:  # Orbax raises whatever comes up
            raise CheckpointError(
                f"{self._directory}/{step} could not be saved: {summarize_error(error)}. The earlier checkpoints, of steps "
                f"{self.all_steps or 'none'}, are as they were"
            ) from error

    def restore(self, step: int, like: Any) -> tuple[Any, dict[str, Any]]:
        """The state and the record that were saved at `step`.

        Args:
          step: one of `steps`.
          like: a pytree of the state's structure, shapes and dtypes, such as `jax.eval_shape` gives. Arrays go where
            its shardings say, else to the first device.

        Raises:
          CheckpointError: where there is none, it is of another format, or its arrays are not like `like`.
          DamageError: where it cannot be read, or not as it was saved.
        """
        if step not in self.all_steps:
            raise CheckpointError(
                f"{self._directory} has no checkpoint of step {step}, only of {self.all_steps or 'none'}"
            )
        meta = self._read_on_all(step, lambda: self._meta(step))
        shapes = {name: text.partition(" ")[0] for name, text in meta["arrays"].items()}
        wrong = first_mismatch(shapes, tree_checksums(like, dtype_and_shape))
        if wrong:
            raise CheckpointError(
                f"{self._directory}/{step}: the arrays are of another shape, as those of another network or optimiser "
                f"would be; {wrong}"
            )
        wanted = ocp.args.StandardRestore(jax.tree.map(with_sharding, like))
        state = self._read_on_all(step, lambda: self._read(step, state=wanted)).state
        wrong = first_mismatch(meta["arrays"], tree_checksums(to_host_local(state), array_checksum))
        if wrong:
            raise CorruptCheckpointError(
                f"{self._directory}/{step}: the arrays are damaged; {wrong}"
            )
        return state, meta["record"]

    def restore_latest(self, like: Any, tell: Callable[[str], None]) -> tuple[Any, int] | None:
        """The state and the step of the newest checkpoint that is whole; None where there is no checkpoint at all.

        Damaged ones are put aside, into the folder `damaged` beside this one, and told of.

        Args:
          like: see `restore`.
          tell: takes a text for the user.

        Raises:
          CheckpointError: as `restore` does, or where all are damaged.
        """
        steps = self.all_steps
        for step in reversed(steps):
            try:
                return self.restore(step, like)[0], step
            except CorruptCheckpointError as error:
                tell(f"{error}\nIt is kept in {self._quarantine(step)}.")
        if steps:
            raise CheckpointError(
                f"{self._directory}: all checkpoints are damaged; start anew with --overwrite"
            )
        return None

    def _quarantine(self, step: int) -> Path:
        names = (f"{step}", *(f"{step}-{i}" for i in range(2, 1_000)))
        place = next(
            path
            for name in names
            if not (path := self._directory.with_name("damaged") / name).exists()
        )
        barrier("a place for what is damaged")
        if is_primary_process():
            place.parent.mkdir(exist_ok=True)
            (self._directory / str(step)).rename(place)
        barrier("what is damaged is there")
        self._manager.reload()
        return place

    def _meta(self, step: int) -> dict[str, Any]:
        meta = self._read(step, meta=ocp.args.JsonRestore()).meta
        if not isinstance(meta, dict) or not isinstance(meta.get("format"), int):
            raise CorruptCheckpointError(
                f"{self._directory}/{step} is damaged: its description has no format"
            )
        if meta["format"] == FORMAT_VERSION:
            if meta.pop("digest", None) != json_checksum(meta):
                raise CorruptCheckpointError(
                    f"{self._directory}/{step} is damaged: its description is not as it was saved"
                )
            return meta
        writer = meta.get("record", {}).get("versions", {}).get("jaxgan", "of another version")
        raise CheckpointError(
            f"{self._directory}/{step} has format {meta['format']}, this release reads format {FORMAT_VERSION}; "
            f"jaxgan {writer}, which wrote it, can load it"
        )

    def _best_fn(self, step: int) -> float | None:
        """Minus the first score; None where there is none to be read."""
        try:
            scores = self._meta(step)["scores"]
        except CheckpointError:
            return None
        return -scores[0][1] if scores else None

    def _read_on_all(self, step: int, read: Callable[[], Any]) -> Any:
        """What `read` gives. Of several processes each reads for itself; where one cannot, none can."""
        found, problem = None, None
        try:
            found = read()
        except CheckpointError as error:
            problem = error
        barrier("each has read its part")
        elsewhere = f"{self._directory}/{step} cannot be read by another process"
        damaged = isinstance(problem, CorruptCheckpointError)
        for refusal, own in (
            (CheckpointError, problem is not None and not damaged),
            (CorruptCheckpointError, damaged),
        ):
            if any_process(own):
                raise (problem if own else None) or refusal(elsewhere)
        return found

    def _read(self, step: int, **items: ocp.args.CheckpointArgs) -> Any:
        try:
            with silence_absl():
                return self._reader.restore(
                    self._manager.directory / str(step), args=ocp.args.Composite(**items)
                )
        except jax.errors.JaxRuntimeError:  # another process has ended
            raise
        except (
            Exception
        ) as error:  # Orbax raises whatever comes up when it reads what it has not written
            there = not isinstance(error, OSError) or isinstance(
                error, FileNotFoundError | NotADirectoryError
            )
            which = CorruptCheckpointError if there else CheckpointError
            raise which(
                f"{self._directory}/{step} cannot be read: {summarize_error(error)}"
            ) from error


class LatestAndBest:
    """Orbax's policy: which checkpoints stay. The newest `keep`, and the best."""

    def __init__(self, keep: int, goodness: Callable[[int], float | None]):
        self._keep, self._goodness = keep, goodness

    def should_preserve(
        self,
        checkpoints: Sequence[checkpoint_managers.PolicyCheckpointInfo],
        *,
        context: checkpoint_managers.PreservationContext,
    ) -> Sequence[bool]:
        """Whether each of them is, in their order, oldest first."""
        del context
        steps = [checkpoint.step for checkpoint in checkpoints]
        staying = {*steps[-self._keep :], select_best_step(steps, self._goodness)}
        return [step in staying for step in steps]


def select_best_step(steps: Sequence[int], goodness: Callable[[int], float | None]) -> int | None:
    """The step that is best, the later of equals; None where none has a goodness."""
    found = [(value, step) for step in steps if (value := goodness(step)) is not None]
    return max(found)[1] if found else None
