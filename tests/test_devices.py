"""Many devices, same result: whole programs, each with so many CPU devices, on one machine."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from jaxgan import history

SYSTEMS = {
    "parabola": ("parabola",),
    "mnist_mlp": ("mnist_mlp", "--dataset", "digits"),
    "mnist_mlp_bce": ("mnist_mlp_bce", "--dataset", "digits"),
    "mnist_wgan_clip": ("mnist_wgan", "--dataset", "digits", "--preset", "clip"),
    "mnist_wgan_gradient_penalty": ("mnist_wgan", "--dataset", "digits", "--preset", "gradient-penalty"),
    "mnist_cnn": ("mnist_cnn", "--dataset", "digits"),
    "mnist_cnn_tuned": ("mnist_cnn", "--dataset", "digits", "--preset", "tuned"),
}
LOSSES = ("d_loss", "g_loss")


def recorded(system, workdir, devices, **options):
    """The metrics of a run."""
    name, *arguments = SYSTEMS[system]
    options = {"workdir": workdir, "batch-size": 64, "devices": devices} | options
    arguments += [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    command = [sys.executable, "-m", f"experiments.{name}", *arguments]
    quickly = {} if name == "mnist_cnn" else {"XLA_FLAGS": "--xla_backend_optimization_level=0"}
    done = subprocess.run(
        command,
        capture_output=True,
        text=True,
        timeout=900,
        cwd=Path(__file__).parent.parent,
        env=os.environ | quickly,
    )
    assert done.returncode == 0, done.stderr
    return history.read(workdir / "metrics.jsonl")


@pytest.mark.parametrize(("precision", "steps", "tolerance"), [("float64", 100, 1e-10), ("float32", 20, 1e-4)])
@pytest.mark.parametrize("system", SYSTEMS)
def test_losses_agree(system, precision, steps, tolerance, tmp_path, count):
    numbers = count((), (1, 2, 4, 8))
    if not numbers or (system, precision) == ("mnist_cnn_tuned", "float64"):
        pytest.skip("only with --full, and the larger ones in float32 only; test_sharing.py compares small networks")
    if (system, precision) == ("mnist_cnn", "float64"):
        steps = 30  # the digits' discriminator soon wins, and then a last bit grows by a factor of ten in four steps
    found = [recorded(system, tmp_path / str(n), n, precision=precision, steps=steps) for n in numbers]
    worst = max(
        np.max(np.abs(other[name] - found[0][name]) / np.abs(found[0][name])) for other in found[1:] for name in LOSSES
    )
    print(f"{system}, {precision}, devices {numbers}: losses of {steps} steps agree to a relative {worst:.1e}")
    assert found[0]["step"].tolist() == list(range(1, steps + 1))
    assert worst < tolerance
