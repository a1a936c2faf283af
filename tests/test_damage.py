"""A checkpoint is whole, or it is put aside and the one before is used."""

import gc
import random
import shutil

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from toys import assert_same_bits

from jaxgan.checkpoints import Checkpoints
from jaxgan.errors import CheckpointError, DamageError

NEWEST = {"w": jnp.asarray(np.random.default_rng(0).normal(size=(200, 30)), jnp.float32), "b": {"n": jnp.arange(7)}}
BEFORE = jax.tree.map(lambda x: x + 1, NEWEST)
LIKE = jax.eval_shape(lambda: NEWEST)


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    with Checkpoints(folder / "checkpoints") as checkpoints:
        checkpoints.save(1, BEFORE, {"seed": 3}, {"frechet": 2.0})
        checkpoints.save(2, NEWEST, {"seed": 3}, {"frechet": 1.0})
    return folder


def damage(folder, chance):
    """Does something to one of the files; what, and to which."""
    path = chance.choice(sorted(p for p in folder.rglob("*") if p.is_file()))
    content, how = bytearray(path.read_bytes()), chance.choice(("flip", "cut", "empty", "zeros", "grow", "remove"))
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


@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")  # Orbax leaves coroutines behind
def test_damaged_checkpoints_are_put_aside_and_the_one_before_is_used(saved, tmp_path, count):
    noticed = 0
    for seed in range(count(30, 200)):
        folder, told = tmp_path / str(seed), []
        shutil.copytree(saved, folder)
        what = damage(folder / "checkpoints" / "2", random.Random(seed))
        with Checkpoints(folder / "checkpoints") as checkpoints:
            state, step = checkpoints.restore_newest(LIKE, told.append)
            assert_same_bits(state, {1: BEFORE, 2: NEWEST}[step])
            if step == 1:
                noticed += 1
                assert f"{folder}/checkpoints/2" in told[0], what
                assert f"kept in {folder}/damaged/2" in told[0], what
                assert (folder / "damaged" / "2").is_dir(), what
                assert checkpoints.steps == [1], what
                checkpoints.save(2, NEWEST, {})
                assert checkpoints.steps == [1, 2], what
            else:
                assert not told, what
        shutil.rmtree(folder)
    assert noticed > 0
    gc.collect()


def test_where_all_are_damaged_nothing_is_begun_anew(saved, tmp_path):
    shutil.copytree(saved, tmp_path, dirs_exist_ok=True)
    for step in (1, 2):
        (tmp_path / "checkpoints" / str(step) / "meta" / "metadata").write_text("{}")
    told = []
    with Checkpoints(tmp_path / "checkpoints") as checkpoints:
        with pytest.raises(DamageError, match="its description has no format"):
            checkpoints.restore(2, LIKE)
        assert checkpoints.best is None
        with pytest.raises(CheckpointError, match="all checkpoints are damaged; start anew with --overwrite"):
            checkpoints.restore_newest(LIKE, told.append)
    assert len(told) == 2
    assert sorted(path.name for path in (tmp_path / "damaged").iterdir()) == ["1", "2"]


def test_a_changed_record_is_noticed(saved, tmp_path):
    shutil.copytree(saved, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "checkpoints" / "2" / "meta" / "metadata"
    path.write_text(path.read_text().replace('"seed": 3', '"seed": 4'))
    with Checkpoints(tmp_path / "checkpoints") as checkpoints:
        with pytest.raises(DamageError, match="its description is not as it was saved"):
            checkpoints.restore(2, LIKE)
        assert checkpoints.best == 1


def test_a_place_where_something_lies_already_is_left_alone(saved, tmp_path):
    shutil.copytree(saved, tmp_path, dirs_exist_ok=True)
    (tmp_path / "damaged" / "2").mkdir(parents=True)
    (tmp_path / "checkpoints" / "2" / "meta" / "metadata").unlink()
    with Checkpoints(tmp_path / "checkpoints") as checkpoints:
        assert checkpoints.restore_newest(LIKE, lambda text: None)[1] == 1
    assert sorted(path.name for path in (tmp_path / "damaged").iterdir()) == ["2", "2-2"]
