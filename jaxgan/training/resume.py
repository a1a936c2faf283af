"""Checks that a resumed run has the settings with which it was started."""

from pathlib import Path
from typing import Any

from jaxgan.errors import ConfigError

# Options on which the bits of a train step depend.
FIXED_OPTIONS = ("seed", "num_seeds", "d_steps", "g_steps", "update_order", "share_noise")


def start_message(workdir: Path, step: int, steps: int) -> str:
    """Returns the message that a run starts, resumes, or is already finished."""
    if step == 0:
        return f"Starting a new run in {workdir}."
    if step >= steps:
        return f"{workdir} already has {step:,} steps; nothing to do for steps={steps:,}."
    return f"Resuming from the checkpoint of step {step:,} in {workdir}."


def compare_training(
    workdir: Path, old: dict[str, Any], new: dict[str, Any], *, allow_changes: bool
) -> list[str]:
    """Compares the configuration of a run with the one that is to resume it.

    Args:
      workdir: Directory of the run.
      old: Content of its config.json.
      new: The current return value of `describe_training`.
      allow_changes: Whether to return the differences instead of raising ConfigError.

    Returns:
      A description of each difference; empty if there is none.

    Raises:
      ConfigError: If there are differences that are not allowed.
    """
    before, now = old["train"], new["train"]
    pairs = [(n, before["options"].get(n), now["options"][n]) for n in FIXED_OPTIONS]
    pairs += [("batch", describe_batch(before["batch"]), describe_batch(now["batch"]))]
    pairs += [("64-bit types", before["x64"], now["x64"])]
    changes = [f"{name}: {a!r} in the run, {b!r} now" for name, a, b in pairs if a != b]
    if before["source"]["arrays"] != now["source"]["arrays"]:
        changes.append("the content of the source's arrays differs")
    if before["source"]["batches_per_epoch"] != now["source"]["batches_per_epoch"]:
        changes.append("the number of batches per epoch differs")
    if same_versions(old, new):
        if before["source"]["functions"] != now["source"]["functions"]:
            changes.append("the functions of the source differ")
        if before["gan"] != now["gan"]:
            changes.append(
                "the networks, loss, penalty, augmentation, optimizers or schedules differ"
            )
    if changes and not allow_changes:
        lines = "\n  ".join(changes)
        raise ConfigError(
            f"{workdir} contains a run that differs from this one:\n  {lines}\nUse the same "
            "settings, another workdir, or TrainOptions(allow_changes=True) to continue anyway"
        )
    return changes


def same_versions(old: dict[str, Any], new: dict[str, Any]) -> bool:
    """Returns whether both were written with the same package versions.

    Fingerprints are comparable only then, because jaxprs may differ between versions.
    """
    return old["versions"] == new["versions"]


def describe_batch(batch: dict[str, Any]) -> str:
    """Returns the dtype and shape of a batch as text, such as `float32[128, 28, 28, 1]`."""
    arrays = [array for array in (batch["real"], batch["condition"]) if array is not None]
    return " with ".join(f"{array['dtype']}{array['shape']}" for array in arrays)
