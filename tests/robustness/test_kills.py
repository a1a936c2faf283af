"""Killed at any moment, a run goes on and ends as if it had never been."""

import json
import random
import signal
import subprocess
import sys
import time

import pytest

from tests.helpers.programs import ROOT, as_used

DIGITS = ("--dataset", "digits", "--batch-size", 64)  # 28 batches an epoch
SYSTEMS = {
    "parabola": ("--steps", 4_000),
    "mnist_mlp": (*DIGITS, "--epochs", 8, "--seeds", 2),
    "mnist_mlp_bce": (*DIGITS, "--epochs", 8),
    "mnist_wgan": ("--dataset", "digits", "--batch-size", 16, "--epochs", 8, "--preset", "clip"),
    "mnist_cnn": (*DIGITS, "--epochs", 4, "--preset", "tuned"),
}


# At full count; of those that start slowly fewer.
KILLS = {"parabola": 12, "mnist_mlp": 6, "mnist_mlp_bce": 5, "mnist_wgan": 4, "mnist_cnn": 3}


def start(system, workdir):
    options = [str(option) for option in SYSTEMS[system]]
    command = [
        sys.executable,
        "-m",
        "tests.helpers.short_epochs",
        system,
        "--workdir",
        str(workdir),
        "--block",
        "10",
        *options,
    ]
    pipes = {"stdout": subprocess.DEVNULL, "stderr": subprocess.PIPE}
    return subprocess.Popen(command, cwd=ROOT, env=as_used(), text=True, **pipes)


def finish(system, workdir):
    process = start(system, workdir)
    _, complained = process.communicate(timeout=600)
    assert process.returncode == 0, complained


def kill(system, workdir, chance):
    """Kills it at a moment of its training, every other time inside a save; at which step that was."""
    log, saving = workdir / "metrics.jsonl", chance.random() < 0.5
    before = log.stat().st_size if log.exists() else 0
    process = start(system, workdir)
    while process.poll() is None:
        if saving and any((workdir / "checkpoints").glob("*tmp*")):
            time.sleep(chance.uniform(0, 0.02))
            break
        if not saving and log.exists() and log.stat().st_size != before:
            time.sleep(chance.uniform(0, 3))
            break
        time.sleep(0.001)
    process.kill()
    _, complained = process.communicate()
    assert process.returncode in (0, -signal.SIGKILL), complained
    return saving, process.returncode != 0


def kept(workdir):
    """What a run leaves, but for times and its folder's name: files, and the digests of the checkpoints' arrays."""
    files = {
        str(path.relative_to(workdir)): path.read_bytes()
        for path in workdir.rglob("*")
        if path.is_file()
        and "checkpoints" not in path.parts
        and path.name not in ("timing.jsonl", "config.json", ".lock")
    }
    saved = (workdir / "checkpoints").glob("*/meta/metadata")
    return files | {path.parts[-3]: json.loads(path.read_text())["arrays"] for path in saved}


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_run_that_is_killed_again_and_again_ends_with_the_same_bits(system, tmp_path, count):
    times = count(2 if system == "parabola" else 0, KILLS[system])
    if times == 0:
        pytest.skip("only with --full")
    chance = random.Random(system)
    finish(system, tmp_path / "whole")
    kills = [kill(system, tmp_path / "parts", chance) for _ in range(times)]
    assert sum(killed for _, killed in kills) >= times - 1  # one may have come too late
    finish(system, tmp_path / "parts")
    whole, parts = kept(tmp_path / "whole"), kept(tmp_path / "parts")
    assert sorted(parts) == sorted(whole)
    for name in whole:
        assert parts[name] == whole[name], name
    print(f"{system}: {kills}")
