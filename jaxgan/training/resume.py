"""What must be the same when a run is resumed, and what is said about it."""

from pathlib import Path
from typing import Any

from jaxgan.errors import ConfigError

# Options on which the bits of a train step depend.
FIXED_OPTIONS = ("seed", "num_seeds", "d_steps", "g_steps", "update_order", "share_noise")


def start_message(workdir: Path, step: int, steps: int) -> str:
    """Returns whether a run starts or resumes."""
    if step == 0:
        return f"Starting a new run in {workdir}."
    if step >= steps:
        return f"The run in {workdir} is at step {step:,} already; of {steps:,} none is left."
    return f"Resuming from the checkpoint of step {step:,} in {workdir}."


def compare_training(
    workdir: Path, old: dict[str, Any], new: dict[str, Any], *, allow_changes: bool
) -> list[str]:
    """Compares the configuration of a run with the one that is to resume it.

    Args:
      workdir: Directory of the run.
      old: Content of its config.json.
      new: What `describe_training` returns now.
      allow_changes: Return the differences instead of raising.

    Returns:
      The differences, a sentence each; empty if there is none.

    Raises:
      ConfigError: If there are differences that are not allowed.
    """
    before, now = old["train"], new["train"]
    pairs = [(n, before["options"].get(n), now["options"][n]) for n in FIXED_OPTIONS]
    pairs += [("batch", describe_batch(before["batch"]), describe_batch(now["batch"]))]
    pairs += [("64-bit types", before["x64"], now["x64"])]
    changes = [f"{name}: {a!r} in the run, {b!r} now" for name, a, b in pairs if a != b]
    if before["source"]["arrays"] != now["source"]["arrays"]:
        changes.append("the arrays of the source have another content")
    if before["source"]["batches_per_epoch"] != now["source"]["batches_per_epoch"]:
        changes.append("an epoch has another number of batches")
    if same_versions(old, new):
        if before["source"]["functions"] != now["source"]["functions"]:
            changes.append("the source draws its batches in another way")
        if before["gan"] != now["gan"]:
            changes.append("the networks, loss, penalty, optimizers or schedules are others")
    if changes and not allow_changes:
        lines = "\n  ".join(changes)
        raise ConfigError(
            f"{workdir} holds a run that differs from this one:\n  {lines}\nUse the same as "
            "before, another workdir, or TrainOptions(allow_changes=True) to continue anyway"
        )
    return changes


def same_versions(old: dict[str, Any], new: dict[str, Any]) -> bool:
    """Returns whether both were written with the same packages; only then programs are equal."""
    return old["versions"] == new["versions"]


def describe_batch(batch: dict[str, Any]) -> str:
    """Returns a text such as `float32[128, 28, 28, 1]`."""
    arrays = [array for array in (batch["real"], batch["condition"]) if array is not None]
    return " with ".join(f"{array['dtype']}{array['shape']}" for array in arrays)
