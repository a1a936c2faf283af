"""A run that is killed at any moment and resumed ends as if it had never been killed."""

import json
import os
import random
import signal
import subprocess
import sys
import time

import pytest

from tests.helpers.files import read_files
from tests.helpers.programs import ROOT, as_used

DIGITS = ("--dataset", "digits", "--batch-size", 64)  # 28 train steps per epoch
SYSTEMS = {
    "parabola": ("--steps", 800),
    "mnist_mlp": (*DIGITS, "--epochs", 8, "--num-seeds", 2),
    "mnist_mlp_bce": (*DIGITS, "--epochs", 8, "--keep-every", 17),
    "mnist_wgan": ("--dataset", "digits", "--batch-size", 16, "--epochs", 8, "--preset", "clip"),
    "mnist_cnn": (*DIGITS, "--epochs", 4, "--preset", "tuned"),
}
# With --full; fewer of those that take long to start.
NUM_KILLS = {"parabola": 12, "mnist_mlp": 6, "mnist_mlp_bce": 5, "mnist_wgan": 4, "mnist_cnn": 3}
# They have times or the name of the workdir.
CHANGING_FILES = ("timing.jsonl", "config.json", ".lock", "report.html")


def start(system, workdir, environment):
    """Starts a run, or resumes it."""
    command = [sys.executable, "-m", "tests.helpers.short_epochs", system]
    command += ["--workdir", workdir, "--steps-per-block", 10, *SYSTEMS[system]]
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    return subprocess.Popen([*map(str, command)], cwd=ROOT, env=environment, text=True, **pipes)


def finish(system, workdir, environment):
    """Runs to the end."""
    process = start(system, workdir, environment)
    _, error = process.communicate(timeout=600)
    assert process.returncode == 0, error


def kill(system, workdir, environment, rng):
    """Kills a run while it trains, in half of the cases while it saves a checkpoint.

    Returns:
      Whether it was to be killed while saving, and whether it was killed before its end.
    """
    log, while_saving = workdir / "metrics.jsonl", rng.random() < 0.5
    size_before = log.stat().st_size if log.exists() else 0
    process = start(system, workdir, environment)
    while process.poll() is None:
        if while_saving and any((workdir / "checkpoints").glob("*tmp*")):
            time.sleep(rng.uniform(0, 0.02))
            break
        if not while_saving and log.exists() and log.stat().st_size != size_before:
            time.sleep(rng.uniform(0, 1))
            break
        time.sleep(0.001)
    process.kill()
    _, error = process.communicate()
    assert process.returncode in (0, -signal.SIGKILL), error
    return while_saving, process.returncode != 0


def read_results(workdir):
    """Returns what a run leaves: its files, and the checksums of the checkpoints' arrays."""
    files = {
        name: content
        for name, content in read_files(workdir).items()
        if not name.startswith("checkpoints/") and name not in CHANGING_FILES
    }
    manifests = (workdir / "checkpoints").glob("*/meta/metadata")
    return files | {path.parts[-3]: json.loads(path.read_text())["arrays"] for path in manifests}


@pytest.mark.parametrize("system", SYSTEMS)
def test_killed_run_ends_with_the_same_bits(system, tmp_path, count):
    num_kills = count(1 if system == "parabola" else 0, NUM_KILLS[system])
    if num_kills == 0:
        pytest.skip("only with --full")
    rng = random.Random(system)
    environment = count(dict(os.environ), as_used())  # that of the suite compiles faster
    finish(system, tmp_path / "whole", environment)
    kills = [kill(system, tmp_path / "parts", environment, rng) for _ in range(num_kills)]
    assert sum(killed for _, killed in kills) >= num_kills - 1  # one may have come too late
    finish(system, tmp_path / "parts", environment)
    whole, parts = read_results(tmp_path / "whole"), read_results(tmp_path / "parts")
    assert sorted(parts) == sorted(whole)
    for name in whole:
        assert parts[name] == whole[name], name
    print(f"{system}: {kills}")
