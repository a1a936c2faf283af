"""Damages checkpoints at random and checks that the damage is noticed.

Usage: `python -m tests.helpers.corruption FOLDER TRIALS`.
"""

import random
import shutil
import sys
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.training.checkpoints import Checkpoints
from tests.helpers.networks import assert_same_bits

NEWEST = {
    "w": jnp.asarray(np.random.default_rng(0).normal(size=(200, 30)), jnp.float32),
    "b": {"n": jnp.arange(7)},
}
BEFORE = jax.tree.map(lambda x: x + 1, NEWEST)
LIKE = jax.eval_shape(lambda: NEWEST)
DAMAGES = ("flip", "cut", "empty", "zeros", "grow", "remove")


def save_checkpoints(folder):
    """Saves two checkpoints, of steps 1 and 2, below `folder`."""
    with Checkpoints(folder / "checkpoints") as checkpoints:
        checkpoints.save(1, BEFORE, {"seed": 3}, {"frechet_distance": 2.0})
        checkpoints.save(2, NEWEST, {"seed": 3}, {"frechet_distance": 1.0})


def damage_file(folder, rng):
    """Damages or removes a random file below `folder`.

    Args:
      folder: The folder; files in its subfolders are included.
      rng: A `random.Random`.

    Returns:
      The kind of damage and the file, as text.
    """
    path = rng.choice(sorted(p for p in folder.rglob("*") if p.is_file()))
    content, kind = bytearray(path.read_bytes()), rng.choice(DAMAGES)
    if kind == "flip" and content:
        content[rng.randrange(len(content))] ^= 1 << rng.randrange(8)
    elif kind == "cut" and content:
        content = content[: rng.randrange(len(content))]
    elif kind == "empty":
        content = b""
    elif kind == "zeros":
        content = bytes(len(content))
    elif kind == "grow":
        content += b"?"
    path.write_bytes(content)
    if kind == "remove":
        path.unlink()
    return f"{kind} {path.relative_to(folder)}"


def run_trial(saved, folder, rng):
    """Damages a copy of the latest checkpoint and restores.

    Either the damage does not matter and the latest checkpoint is restored bit for bit; or it is
    noticed, the checkpoint is quarantined and the previous one is restored.

    Args:
      saved: Folder with the two checkpoints of `save_checkpoints`.
      folder: Folder to create for the copy. It is removed if the trial succeeds.
      rng: A `random.Random`.

    Returns:
      Whether the damage was noticed.
    """
    messages = []
    shutil.copytree(saved, folder)
    what = damage_file(folder / "checkpoints" / "2", rng)
    with Checkpoints(folder / "checkpoints") as checkpoints:
        state, step = checkpoints.restore_latest(LIKE, messages.append)
        assert_same_bits(state, {1: BEFORE, 2: NEWEST}[step])
        if step == 2:
            assert not messages, what
        else:
            assert f"{folder}/checkpoints/2" in messages[0], what
            assert f"moved to {folder}/quarantine/2" in messages[0], what
            assert (folder / "quarantine" / "2").is_dir(), what
            assert checkpoints.all_steps == [1], what
            checkpoints.save(2, NEWEST, {})
            assert checkpoints.all_steps == [1, 2], what
    shutil.rmtree(folder)
    return step == 1


if __name__ == "__main__":
    root, num_trials = Path(sys.argv[1]), int(sys.argv[2])
    save_checkpoints(root / "saved")
    noticed = sum(
        run_trial(root / "saved", root / str(seed), random.Random(seed))
        for seed in range(num_trials)
    )
    print(f"{num_trials} damages, {noticed} noticed; the others did not affect any restored value")
