"""A checkpoint is whole, or it is put aside and the one before is used."""

import re
import shutil
import subprocess
import sys

import pytest

from jaxgan.errors import CheckpointError, CorruptCheckpointError
from jaxgan.training.checkpoints import Checkpoints
from tests.helpers.corruption import LIKE, save
from tests.helpers.programs import ROOT


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    save(folder)
    return folder


def test_damaged_checkpoints_are_put_aside_and_the_one_before_is_used(tmp_path, count):
    # In a process of its own, because Orbax leaves coroutines and event loops behind when it fails.
    command = [sys.executable, "-m", "tests.helpers.corruption", str(tmp_path), str(count(30, 200))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert int(re.search(r"(\d+) noticed", done.stdout)[1]) > count(5, 50)
    print(done.stdout)


def test_where_all_are_damaged_nothing_is_begun_anew(saved, tmp_path):
    shutil.copytree(saved, tmp_path, dirs_exist_ok=True)
    for step in (1, 2):
        (tmp_path / "checkpoints" / str(step) / "meta" / "metadata").write_text("{}")
    told = []
    with Checkpoints(tmp_path / "checkpoints") as checkpoints:
        with pytest.raises(CorruptCheckpointError, match="its description has no format"):
            checkpoints.restore(2, LIKE)
        assert checkpoints.best_step is None
        with pytest.raises(
            CheckpointError, match="all checkpoints are damaged; start anew with --overwrite"
        ):
            checkpoints.restore_latest(LIKE, told.append)
    assert len(told) == 2
    assert sorted(path.name for path in (tmp_path / "damaged").iterdir()) == ["1", "2"]


def test_a_changed_record_is_noticed(saved, tmp_path):
    shutil.copytree(saved, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "checkpoints" / "2" / "meta" / "metadata"
    path.write_text(path.read_text().replace('"seed": 3', '"seed": 4'))
    with Checkpoints(tmp_path / "checkpoints") as checkpoints:
        with pytest.raises(CorruptCheckpointError, match="its description is not as it was saved"):
            checkpoints.restore(2, LIKE)
        assert checkpoints.best_step == 1


def test_a_place_where_something_lies_already_is_left_alone(saved, tmp_path):
    shutil.copytree(saved, tmp_path, dirs_exist_ok=True)
    (tmp_path / "damaged" / "2").mkdir(parents=True)
    (tmp_path / "checkpoints" / "2" / "meta" / "metadata").unlink()
    with Checkpoints(tmp_path / "checkpoints") as checkpoints:
        assert checkpoints.restore_latest(LIKE, lambda text: None)[1] == 1
    assert sorted(path.name for path in (tmp_path / "damaged").iterdir()) == ["2", "2-2"]
