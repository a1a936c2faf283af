"""A disk that is full or gone: a plain message, an end, and nothing that was saved is lost."""

import shlex
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from jaxgan import losses, make_gan, models, optimizers, priors
from jaxgan.data.sources import array_source
from jaxgan.runs.command_line import exit_on_error
from jaxgan.training.loop import train
from tests.helpers.networks import SHAPE, assert_same_bits
from tests.helpers.programs import ROOT

resource = pytest.importorskip("resource")  # POSIX's limits on what a process may write


WIDTH = 64  # so that a checkpoint's file is longer than the records


def run(workdir, steps=12, report=lambda now: None):
    """Epochs of 5 train steps, in blocks of 2."""
    source = array_source(np.random.default_rng(0).integers(0, 256, (40, *SHAPE), np.uint8), 8)
    networks = (
        models.MLPGenerator(shape=SHAPE, widths=(WIDTH,)),
        models.MLPDiscriminator(widths=(WIDTH,)),
    )
    tx = optimizers.adam(1e-3)
    gan = make_gan(*networks, losses.non_saturating, tx, tx, priors.uniform(4))
    return train(gan, source, workdir, seed=0, steps=steps, block=2, report=report)[0]


def spoil(workdir, how):
    """A report that does it after the first checkpoint."""

    def report(now):
        if now.step >= 7 and how == "gone":
            shutil.rmtree(workdir, ignore_errors=True)
        elif now.step >= 7:
            resource.setrlimit(resource.RLIMIT_FSIZE, (int(how), resource.RLIM_INFINITY))

    return report


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("100", "File too large: '{workdir}/metrics.jsonl'"),
        ("20000", "{workdir}/checkpoints/10 could not be saved: "),
        ("gone", "No such file or directory: '{workdir}/metrics.jsonl'"),
    ],
)
def test_what_cannot_be_written_ends_the_run_plainly(how, said, tmp_path, count):
    if not count(how == "20000", True):
        pytest.skip("only with --full")
    workdir = tmp_path / "run"
    command = [sys.executable, "tests/test_disk.py", str(workdir), how]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, cwd=ROOT)
    assert done.returncode == 1, done.stderr
    assert "error: " in done.stderr
    assert said.format(workdir=workdir) in done.stderr
    assert "Traceback" not in done.stderr or how == "20000"  # Orbax's threads may print theirs
    if how != "gone":
        assert [
            path.name for path in (workdir / "checkpoints").iterdir() if "tmp" not in path.name
        ] == ["5"]
        assert_same_bits(run(workdir), run(tmp_path / "whole"))
        names = ("metrics.jsonl", "scores.jsonl")
        parts, whole = (
            [p.read_text() for n in names if (p := w / n).exists()]
            for w in (workdir, tmp_path / "whole")
        )
        assert parts == whole


def test_what_is_read_only_ends_the_run_plainly(tmp_path):
    workdir = tmp_path / "run"
    run(workdir, steps=5)
    program = shlex.join([sys.executable, "tests/test_disk.py", str(workdir), "never"])
    mounted = (
        f"mount --bind {workdir} {workdir} && mount -o remount,bind,ro {workdir} && echo mounted"
    )
    command = ["unshare", "--map-root-user", "--mount", "sh", "-c", f"{mounted} && exec {program}"]
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
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)  # the write fails instead
    with exit_on_error():
        run(Path(sys.argv[1]), report=spoil(Path(sys.argv[1]), sys.argv[2]))
