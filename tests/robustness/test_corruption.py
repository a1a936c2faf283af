"""A checkpoint is intact, or it is quarantined and the previous one is used."""

import re
import shutil
import subprocess
import sys

import pytest

from jaxgan.errors import CheckpointError, CorruptCheckpointError
from jaxgan.training.checkpoints import Checkpoints
from tests.helpers.corruption import LIKE, save_checkpoints
from tests.helpers.programs import ROOT


@pytest.fixture(scope="module")
def saved(tmp_path_factory):
    folder = tmp_path_factory.mktemp("saved")
    save_checkpoints(folder)
    return folder


@pytest.mark.stress
def test_restore_latest_quarantines_corrupt_checkpoints(tmp_path, count):
    # In a separate process, because Orbax leaves coroutines and event loops behind when it fails.
    command = [sys.executable, "-m", "tests.helpers.corruption", str(tmp_path), str(count(30, 200))]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert int(re.search(r"(\d+) noticed", done.stdout)[1]) > count(5, 50)
    print(done.stdout)


def test_restore_latest_raises_if_all_checkpoints_are_corrupt(saved, tmp_path):
    shutil.copytree(saved, tmp_path, dirs_exist_ok=True)
    for step in (1, 2):
        (tmp_path / "checkpoints" / str(step) / "meta" / "metadata").write_text("{}")
    messages = []
    with Checkpoints(tmp_path / "checkpoints") as checkpoints:
        with pytest.raises(CorruptCheckpointError, match="its manifest has no format"):
            checkpoints.restore(2, LIKE)
        assert checkpoints.best_step is None
        with pytest.raises(
            CheckpointError, match="all checkpoints are corrupt; start over with --overwrite"
        ):
            checkpoints.restore_latest(LIKE, messages.append)
    assert len(messages) == 2
    assert sorted(path.name for path in (tmp_path / "quarantine").iterdir()) == ["1", "2"]


def test_restore_notices_a_changed_manifest(saved, tmp_path):
    shutil.copytree(saved, tmp_path, dirs_exist_ok=True)
    path = tmp_path / "checkpoints" / "2" / "meta" / "metadata"
    path.write_text(path.read_text().replace('"seed": 3', '"seed": 4'))
    with Checkpoints(tmp_path / "checkpoints") as checkpoints:
        with pytest.raises(CorruptCheckpointError, match="the checksum of its manifest differs"):
            checkpoints.restore(2, LIKE)
        assert checkpoints.best_step == 1


def test_restore_latest_overwrites_nothing_in_the_quarantine(saved, tmp_path):
    shutil.copytree(saved, tmp_path, dirs_exist_ok=True)
    (tmp_path / "quarantine" / "2").mkdir(parents=True)
    (tmp_path / "checkpoints" / "2" / "meta" / "metadata").unlink()
    with Checkpoints(tmp_path / "checkpoints") as checkpoints:
        assert checkpoints.restore_latest(LIKE, lambda text: None)[1] == 1
    assert sorted(path.name for path in (tmp_path / "quarantine").iterdir()) == ["2", "2-2"]
