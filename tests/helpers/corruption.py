"""Damages checkpoints at random, and looks what comes of it: `python tests/helpers/corruption.py FOLDER TRIALS`."""

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


def save(folder):
    """Two checkpoints."""
    with Checkpoints(folder / "checkpoints") as checkpoints:
        checkpoints.save(1, BEFORE, {"seed": 3}, {"frechet": 2.0})
        checkpoints.save(2, NEWEST, {"seed": 3}, {"frechet": 1.0})


def damage(folder, chance):
    """Does something to one of the files; what, and to which."""
    path = chance.choice(sorted(p for p in folder.rglob("*") if p.is_file()))
    content, how = (
        bytearray(path.read_bytes()),
        chance.choice(("flip", "cut", "empty", "zeros", "grow", "remove")),
    )
    if how == "flip" and content:
        content[chance.randrange(len(content))] ^= 1 << chance.randrange(8)
    elif how == "cut" and content:
        content = content[: chance.randrange(len(content))]
    elif how == "empty":
        content = b""
    elif how == "zeros":
        content = bytes(len(content))
    elif how == "grow":
        content += b"?"
    path.write_bytes(content)
    if how == "remove":
        path.unlink()
    return f"{how} {path.relative_to(folder)}"


def trial(saved, folder, chance):
    """Whether the damage was noticed; then the checkpoint must be aside and the one before it in use."""
    told = []
    shutil.copytree(saved, folder)
    what = damage(folder / "checkpoints" / "2", chance)
    with Checkpoints(folder / "checkpoints") as checkpoints:
        state, step = checkpoints.restore_latest(LIKE, told.append)
        assert_same_bits(state, {1: BEFORE, 2: NEWEST}[step])
        if step == 2:
            assert not told, what
        else:
            assert f"{folder}/checkpoints/2" in told[0], what
            assert f"kept in {folder}/damaged/2" in told[0], what
            assert (folder / "damaged" / "2").is_dir(), what
            assert checkpoints.all_steps == [1], what
            checkpoints.save(2, NEWEST, {})
            assert checkpoints.all_steps == [1, 2], what
    shutil.rmtree(folder)
    return step == 1


if __name__ == "__main__":
    root, trials = Path(sys.argv[1]), int(sys.argv[2])
    save(root / "saved")
    noticed = sum(
        trial(root / "saved", root / str(seed), random.Random(seed)) for seed in range(trials)
    )
    print(f"{trials} damages, {noticed} noticed; the others had spoiled nothing that is read")
