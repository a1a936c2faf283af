"""Experiments on several CPU devices record the losses of one device."""

import os
import subprocess
import sys

import numpy as np
import pytest

from jaxgan.training import read_columns
from tests.helpers.programs import ROOT, as_used
from tests.helpers.systems import LOSSES, SYSTEMS

FEWER_STEPS = {
    # Amplifies rounding; docs/reliability.md has the measurements.
    ("mnist_cnn", "float64"): 10,
    ("mnist_cnn", "float32"): 2,
    # Slow. mnist_wgan_clip has the same networks, and runs all 100 steps.
    ("mnist_wgan_gradient_penalty", "float64"): 20,
}


def run_on_devices(system, folder, counts, env, **options):
    """Runs a system on each number of devices; returns the recorded metrics of each run."""
    name, *arguments = SYSTEMS[system]
    options = {"batch-size": 64} | options
    arguments += [str(word) for option, value in options.items() for word in (f"--{option}", value)]
    command = [sys.executable, "-m", "tests.helpers.on_devices"]
    command += [folder, ",".join(map(str, counts)), name, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, cwd=ROOT, env=env)
    assert done.returncode == 0, done.stderr
    return [read_columns(folder / str(count) / "metrics.jsonl") for count in counts]


@pytest.mark.parametrize(
    ("precision", "steps", "tolerance"), [("float64", 100, 1e-10), ("float32", 20, 1e-4)]
)
@pytest.mark.parametrize("system", SYSTEMS)
def test_losses_do_not_depend_on_num_devices(system, precision, steps, tolerance, tmp_path, count):
    device_counts = count((), (1, 2, 4, 8))
    if not device_counts:
        pytest.skip("only with --full; tests/distributed/test_sharding.py has small networks")
    steps = FEWER_STEPS.get((system, precision), steps)
    # The suite's XLA flags compile faster, but run slower. They pay off for 20 train steps in
    # float32, except for convolutions, which are slower with them even for two train steps.
    quick_compile = precision == "float32" and system != "mnist_cnn"
    env = os.environ if quick_compile else as_used()
    one, *others = run_on_devices(
        system, tmp_path, device_counts, env, precision=precision, steps=steps
    )
    worst = max(
        np.max(np.abs(other[name] - one[name]) / np.abs(one[name]))
        for other in others
        for name in LOSSES
    )
    print(
        f"{system}, {precision}, devices {device_counts}: largest relative difference of the "
        f"losses in {steps} steps: {worst:.1e}"
    )
    assert one["step"].tolist() == list(range(1, steps + 1))
    assert worst < tolerance
