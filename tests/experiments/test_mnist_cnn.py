"""Experiments on images as processes of their own, with warnings as errors."""

import json
import shutil
import subprocess
import sys

import jax
import numpy as np
import pytest

from experiments import mnist_cnn
from jaxgan.runs.config import PRECISIONS
from jaxgan.training import read_columns
from tests.helpers.programs import ROOT, as_used


def run_module(*arguments, **environment):
    """Runs a module as a user does, but with warnings as errors."""
    command = [sys.executable, "-W", "error", "-m", *map(str, arguments)]
    options = {"cwd": ROOT, "env": as_used() | environment}
    return subprocess.run(
        command, capture_output=True, text=True, timeout=300, check=False, **options
    )


@pytest.mark.stress
def test_experiment_trains_in_bf16_and_samples(tmp_path):
    workdir, out = tmp_path / "run", tmp_path / "samples.npy"
    options = ("--dataset", "digits", "--steps", 2, "--batch-size", 8, "--steps-per-block", 1)
    options += ("--precision", "bf16", "--preset", "tuned")
    done = run_module("experiments.mnist_mlp", "--workdir", workdir, *options)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("Data: digits, 1,797 images\n")
    assert "\nRun: 2 train steps (" in done.stdout
    assert read_columns(workdir / "metrics.jsonl")["step"].tolist() == [1, 2]
    record = json.loads((workdir / "config.json").read_text())
    assert record["experiment"] == "experiments.mnist_mlp"
    done = run_module("jaxgan", "sample", workdir, "--num", 3, "--out", out)
    assert done.returncode == 0, done.stderr
    samples = np.load(out)
    assert samples.shape == (3, 28, 28, 1)
    assert samples.dtype == np.float32
    assert 0 < np.abs(samples).max() <= 1


def test_precisions_bf16_computes_in_bf16_with_float32_parameters():
    assert set(PRECISIONS) == {"float32", "bf16", "float64"}
    gan = mnist_cnn.build(mnist_cnn.Config(precision="bf16"))
    real = np.zeros((1, 28, 28, 1), np.float32)
    state = jax.eval_shape(gan.init, jax.random.key(0), real)
    dtypes = {x.dtype for x in jax.tree.leaves((state.d.params, state.g.params))}
    assert dtypes == {np.dtype(np.float32)}
    program = jax.make_jaxpr(lambda state, key: gan.sample(state, key, 2))(state, jax.random.key(1))
    assert "bf16" in str(program)


def test_mnist_mlp_trains_on_mnist(tmp_path, mnist_files):
    workdir, data_dir = tmp_path / "run", tmp_path / "data"
    manual = data_dir / "downloads" / "manual" / "mnist"
    shutil.copytree(mnist_files, manual)
    options = ("--data-dir", data_dir, "--steps", 3, "--batch-size", 16, "--steps-per-block", 3)
    done = run_module("experiments.mnist_mlp", "--workdir", workdir, *options)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(
        "Data: mnist, 60,000 images\nThe labels are not used; --conditional trains on them.\n"
        "Run: 3 train steps (3,750 per epoch), batches of 16 samples"
    )
    assert json.loads((workdir / "config.json").read_text())["data"]["num_images"] == 60_000
    (manual / "t10k-labels-idx1-ubyte.gz").unlink()
    shutil.rmtree(data_dir / "mnist")
    unreachable = {"http_proxy": "http://127.0.0.1:9", "https_proxy": "http://127.0.0.1:9"}
    arguments = ("--dataset", "mnist", "--workdir", tmp_path / "other", *options)
    done = run_module("experiments.mnist_mlp", *arguments, **unreachable)
    assert done.returncode == 1
    assert done.stdout == ""
    for part in ("mnist", "t10k-labels-idx1-ubyte.gz", str(manual), "--dataset digits"):
        assert part in done.stderr
