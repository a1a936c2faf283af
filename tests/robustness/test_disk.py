"""A full or missing disk ends a run with a message; saved checkpoints are untouched.

`python -m tests.robustness.test_disk WORKDIR EVENT` is the program that the tests start.
"""

import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from jaxgan import Callbacks, TrainOptions, models, train
from jaxgan.runs.command_line import exit_on_error
from tests.helpers.networks import SHAPE, assert_same_bits, tiny_gan, tiny_source
from tests.helpers.programs import ROOT

resource = pytest.importorskip("resource")  # POSIX limits of what a process may write

WIDTHS = (64,)  # so that the file of a checkpoint is longer than the logs


def run(workdir, steps=12, progress=None):
    """Trains in epochs of 5 train steps and blocks of 2; returns the state."""
    gan = tiny_gan(
        generator=models.MLPGenerator(shape=SHAPE, widths=WIDTHS),
        discriminator=models.MLPDiscriminator(widths=WIDTHS),
    )
    options = TrainOptions(steps=steps, steps_per_block=2)
    return train(gan, tiny_source(), workdir, options, Callbacks(progress=progress))[0]


def make_fault(workdir, event):
    """Returns a progress callback that causes a fault after the first checkpoint.

    Args:
      workdir: Directory of the run.
      event: "gone" removes the workdir, "never" does nothing, and a number limits the size of files
        to that many bytes.
    """

    def progress(now):
        if now.step < 7 or event == "never":
            return
        if event == "gone":
            shutil.rmtree(workdir, ignore_errors=True)
        else:
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(event), resource.RLIM_INFINITY))

    return progress


def program(workdir, event):
    return [sys.executable, "-m", "tests.robustness.test_disk", str(workdir), event]


@pytest.mark.stress
@pytest.mark.parametrize(
    ("event", "message"),
    [
        ("100", "File too large: '{workdir}/metrics.jsonl'"),
        ("20000", "{workdir}/checkpoints/10 could not be saved: "),
        ("gone", "No such file or directory: '{workdir}/metrics.jsonl'"),
    ],
)
def test_train_ends_with_a_message_if_files_cannot_be_written(event, message, tmp_path):
    workdir = tmp_path / "run"
    done = subprocess.run(
        program(workdir, event), capture_output=True, text=True, timeout=120, cwd=ROOT
    )
    assert done.returncode == 1, done.stderr
    assert "error: " in done.stderr
    assert message.format(workdir=workdir) in done.stderr
    # Orbax's threads may print tracebacks of theirs.
    assert "Traceback" not in done.stderr or event == "20000"
    if event == "gone":
        return
    checkpoints = [path.name for path in (workdir / "checkpoints").iterdir()]
    assert [name for name in checkpoints if "tmp" not in name] == ["5"]
    assert_same_bits(run(workdir), run(tmp_path / "whole"))
    logs = [(folder / "metrics.jsonl").read_text() for folder in (workdir, tmp_path / "whole")]
    assert logs[0] == logs[1]


@pytest.mark.stress
def test_train_ends_with_a_message_if_the_workdir_is_read_only(tmp_path):
    workdir = tmp_path / "run"
    run(workdir, steps=5)
    mount = (
        f"mount --bind {workdir} {workdir} && mount -o remount,bind,ro {workdir} && echo mounted"
    )
    script = f"{mount} && exec {shlex.join(program(workdir, 'never'))}"
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c", script]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT)
    except FileNotFoundError:
        pytest.skip("there is no unshare here")
    if "mounted" not in done.stdout:
        pytest.skip(f"nothing may be mounted here: {done.stderr}")
    assert done.returncode == 1, done.stderr
    assert f"error: [Errno 30] Read-only file system: '{workdir}/" in done.stderr
    assert "Traceback" not in done.stderr
    assert_same_bits(run(workdir), run(tmp_path / "whole"))


if __name__ == "__main__":
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # so that the write fails instead
    with exit_on_error():
        run(Path(sys.argv[1]), progress=make_fault(Path(sys.argv[1]), sys.argv[2]))
