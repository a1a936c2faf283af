"""The main job, as processes."""

import json
import shutil
import subprocess
import sys

import jax
import numpy as np
import pytest

from experiments import mnist_cnn
from jaxgan.runs.config import PRECISIONS
from jaxgan.training import metric_log
from tests.helpers.programs import ROOT, as_used


def python(*arguments, **environment):
    """A module as its user would run it, but with warnings as errors."""
    command = [sys.executable, "-W", "error", "-m", *map(str, arguments)]
    options = {"cwd": ROOT, "env": as_used() | environment}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=False, **options
    )


@pytest.mark.parametrize(("module", "preset", "precision"), [("mnist_mlp", "tuned", "bf16")])
def test_it_trains_and_samples(tmp_path, module, preset, precision):
    options = [
        "--dataset",
        "digits",
        "--steps",
        2,
        "--batch-size",
        8,
        "--block",
        1,
        "--precision",
        precision,
    ]
    options += ["--preset", preset]
    done = python(f"experiments.{module}", "--workdir", tmp_path / "run", *options)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Data: digits, 1,797 images\nRun: 2 steps of 8 samples")
    assert metric_log.read_columns(tmp_path / "run" / "metrics.jsonl")["step"].tolist() == [1, 2]
    assert (
        json.loads((tmp_path / "run" / "config.json").read_text())["experiment"]
        == f"experiments.{module}"
    )
    done = python(
        "experiments.sample", tmp_path / "run", "--num", 3, "--out", tmp_path / "samples.npy"
    )
    assert done.returncode == 0, done.stderr
    samples = np.load(tmp_path / "samples.npy")
    assert samples.shape == (3, 28, 28, 1)
    assert samples.dtype == np.float32
    assert 0 < np.abs(samples).max() <= 1


def test_precisions_are_what_they_say():
    state = jax.eval_shape(
        mnist_cnn.build(mnist_cnn.Config(precision="bf16")).init,
        jax.random.key(0),
        np.zeros((1, 28, 28, 1), np.float32),
    )
    assert {x.dtype for x in jax.tree.leaves((state.d.params, state.g.params))} == {
        np.dtype(np.float32)
    }
    compute = str(
        jax.make_jaxpr(
            lambda s, k: mnist_cnn.build(mnist_cnn.Config(precision="bf16")).sample(s, k, 2)
        )(state, jax.random.key(1))
    )
    assert "bf16" in compute
    assert set(PRECISIONS) == {"float32", "bf16", "float64"}


def test_on_real_mnist(tmp_path, mnist_files):
    manual = tmp_path / "data" / "downloads" / "manual" / "mnist"
    shutil.copytree(mnist_files, manual)
    options = ["--data-dir", tmp_path / "data", "--steps", 3, "--batch-size", 16, "--block", 3]
    done = python("experiments.mnist_cnn", "--workdir", tmp_path / "run", *options)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(
        "Data: mnist, 60,000 images\nRun: 3 steps of 16 samples (3,750 an epoch)"
    )
    assert json.loads((tmp_path / "run" / "config.json").read_text())["data"]["images"] == 60_000
    (manual / "t10k-labels-idx1-ubyte.gz").unlink()
    shutil.rmtree(tmp_path / "data" / "mnist")
    unreachable = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    done = python("experiments.mnist_cnn", "--dataset", "mnist", *options, **unreachable)
    assert done.returncode == 1
    assert done.stdout == ""
    for part in ("mnist", "t10k-labels-idx1-ubyte.gz", str(manual), "--dataset digits"):
        assert part in done.stderr
