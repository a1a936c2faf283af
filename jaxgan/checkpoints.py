"""A checkpoint is whole or it is not there. The only file that knows Orbax."""

import hashlib
import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jax
import numpy as np
import orbax.checkpoint as ocp
from orbax.checkpoint.checkpoint_managers import AnyPreservationPolicy, BestN, LatestN

from jaxgan.errors import CheckpointError

FORMAT = 1


class Checkpoints:
    """The checkpoints of a run, by train step; the newest `keep` stay, and the one with the best scores.

    A context manager. Each checkpoint holds a state, a JSON record, and a digest of every array: Orbax's own format
    would let a flipped bit pass. Saving is synchronous, because a failed asynchronous save keeps the process from
    ending.
    """

    def __init__(self, directory: Path, keep: int = 2):
        self._directory = directory.absolute()
        if set("[]*?") & set(str(self._directory)):
            raise CheckpointError(
                f"{self._directory}: Orbax takes [, ], * and ? in a path for patterns; choose another"
            )
        best = BestN(get_metric_fn=goodness, n=1, keep_checkpoints_without_metrics=False)
        policy = AnyPreservationPolicy([LatestN(keep), best])
        options = ocp.CheckpointManagerOptions(
            best_fn=goodness, preservation_policy=policy, enable_async_checkpointing=False
        )
        self._manager = ocp.CheckpointManager(self._directory, options=options)

    def __enter__(self):
        return self

    def __exit__(self, *exception):
        self._manager.close()

    @property
    def steps(self) -> list[int]:
        """The train steps that can be restored, ascending."""
        return sorted(self._manager.all_steps())

    @property
    def best(self) -> int | None:
        """The train step of the checkpoint whose first score is the lowest; None where none has scores."""
        scored = [(goodness(scores), step) for step in self.steps if (scores := self._manager.metrics(step))]
        return max(scored)[1] if scored else None

    def save(self, step: int, state: Any, record: dict[str, Any], scores: dict[str, float] | None = None) -> None:
        """Saves a pytree of arrays, a JSON record of what they belong to, and its scores, atomically.

        By the first of the scores, the lower the better, the best checkpoint is told.
        """
        meta = {"format": FORMAT, "record": record, "arrays": describe(state, digest)}
        items = ocp.args.Composite(state=ocp.args.StandardSave(state), meta=ocp.args.JsonSave(meta))
        self._manager.save(step, args=items, metrics=scores or {})

    def restore(self, step: int, like: Any) -> tuple[Any, dict[str, Any]]:
        """The state and the record that were saved at `step`.

        Args:
          step: one of `steps`.
          like: a pytree of the state's structure, shapes and dtypes, such as `jax.eval_shape` gives.

        Raises:
          CheckpointError: where there is none, it is of another format, its arrays are not like `like`, or they are
            damaged.
        """
        if step not in self.steps:
            raise CheckpointError(f"{self._directory} has no checkpoint of step {step}, only of {self.steps or 'none'}")
        meta = self._read(step, meta=ocp.args.JsonRestore()).meta
        if meta["format"] != FORMAT:
            raise CheckpointError(
                f"{self._directory}/{step} has format {meta['format']}, this release reads format {FORMAT}"
            )
        shapes = {name: text.partition(" ")[0] for name, text in meta["arrays"].items()}
        self._compare(
            step,
            "are of another shape, as those of another network or optimiser would be",
            shapes,
            describe(like, kind),
        )
        state = self._read(step, state=ocp.args.StandardRestore(like)).state
        self._compare(step, "are damaged", meta["arrays"], describe(state, digest))
        return state, meta["record"]

    def _read(self, step: int, **items: ocp.args.CheckpointArgs) -> Any:
        try:
            return self._manager.restore(step, args=ocp.args.Composite(**items))
        except (ValueError, KeyError, OSError) as error:
            reason = str(error).partition("\n")[0][:200]
            raise CheckpointError(f"{self._directory}/{step} is damaged, it cannot be read: {reason}") from error

    def _compare(self, step: int, what: str, saved: dict[str, str], found: dict[str, str]) -> None:
        wrong = sorted(name for name in saved.keys() | found.keys() if saved.get(name) != found.get(name))
        if wrong:
            first = f"{wrong[0]}: {saved.get(wrong[0])} saved, {found.get(wrong[0])} here"
            raise CheckpointError(f"{self._directory}/{step}: {len(wrong)} arrays {what}; {first}")


def goodness(scores: dict[str, float]) -> float:
    """What the best checkpoint has most of: minus the first score. One without scores is never the best."""
    return -next(iter(scores.values()), math.inf)


def describe(tree: Any, how: Callable[[Any], str]) -> dict[str, str]:
    """A text for each array of a pytree, by its path."""
    return {jax.tree_util.keystr(path): how(x) for path, x in jax.tree_util.tree_leaves_with_path(tree)}


def kind(x: Any) -> str:
    """Dtype and shape, such as `float32[3,4]`."""
    return f"{x.dtype}[{','.join(map(str, x.shape))}]"


def digest(x: jax.Array) -> str:
    """Dtype, shape and a 128-bit BLAKE2b of the bytes."""
    return f"{kind(x)} {hashlib.blake2b(np.asarray(x).tobytes(), digest_size=16).hexdigest()}"
