import subprocess
import sys

import pytest

from jaxgan.errors import ConfigError
from jaxgan.training.callbacks import Callbacks
from jaxgan.training.loop import train
from jaxgan.training.options import TrainOptions
from jaxgan.training.workdir_lock import check_workdir, lock_workdir
from tests.helpers.networks import tiny_gan, tiny_source
from tests.helpers.programs import ROOT

HOLD_LOCK = """
import pathlib, sys
from jaxgan.training.workdir_lock import lock_workdir
with lock_workdir(pathlib.Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def locked_workdir(tmp_path):
    """A workdir that another process has locked, and that process."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD_LOCK, str(tmp_path / "run")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=ROOT,
    )
    try:
        assert process.stdout.readline() == "locked\n"
        yield tmp_path / "run", process
    finally:
        process.kill()
        process.communicate()


def test_train_refuses_a_workdir_in_which_another_process_trains(locked_workdir):
    workdir, process = locked_workdir
    message = f"another process is training in {workdir}; wait for it to end, stop it"
    with pytest.raises(ConfigError, match=message):
        train(tiny_gan(), tiny_source(), workdir, TrainOptions(steps=1), Callbacks(progress=None))
    assert {path.name for path in workdir.iterdir()} == {".lock"}
    process.kill()
    process.wait()
    with lock_workdir(workdir):  # the system has released the lock
        pass


def test_train_refuses_a_workdir_that_is_a_file(tmp_path):
    path = tmp_path / "run"
    path.write_text("mine")
    with pytest.raises(ConfigError, match=f"workdir {path}: {path} is a file; give another direc"):
        train(tiny_gan(), tiny_source(), path, TrainOptions(steps=1), Callbacks(progress=None))
    assert path.read_text() == "mine"


def test_check_workdir_raises_below_a_file_and_at_a_broken_link(tmp_path):
    file, link = tmp_path / "file", tmp_path / "link"
    file.write_text("mine")
    link.symlink_to(tmp_path / "nowhere")
    with pytest.raises(ConfigError, match=f"workdir {file}/a/b: {file} is a file"):
        check_workdir(file / "a" / "b")
    with pytest.raises(ConfigError, match=f"workdir {link}: {link} is a broken link"):
        check_workdir(link)
    check_workdir(tmp_path / "new" / "run")


def test_lock_workdir_may_be_taken_again_by_the_process_that_holds_it(tmp_path):
    workdir = tmp_path / "a" / "run"
    with lock_workdir(workdir), lock_workdir(workdir):
        assert (workdir / ".lock").exists()
    with lock_workdir(workdir):
        pass


def test_lock_workdir_leaves_everything_to_the_primary_process(locked_workdir, monkeypatch):
    monkeypatch.setattr("jaxgan.training.workdir_lock.is_primary_process", lambda: False)
    with lock_workdir(locked_workdir[0]):
        pass
