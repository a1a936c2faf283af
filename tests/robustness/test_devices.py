"""Many devices, same result: whole programs on so many CPU devices of one machine."""

import os
import subprocess
import sys

import numpy as np
import pytest

from jaxgan.training import metric_log
from tests.helpers.programs import ROOT, as_used
from tests.helpers.systems import LOSSES, SYSTEMS

FEWER = {  # than 100 train steps in float64, or 20 in float32
    ("mnist_cnn", "float64"): 10,  # it amplifies rounding, as docs/reliability.md shows
    ("mnist_cnn", "float32"): 2,
    (
        "mnist_wgan_gradient_penalty",
        "float64",
    ): 20,  # it takes long; clipping has the same players, and takes 100
}


def recorded(system, folder, numbers, environment, **options):
    """The metrics of a run on each number of devices."""
    name, *arguments = SYSTEMS[system]
    options = {"batch-size": 64} | options
    arguments += [str(word) for option, value in options.items() for word in (f"--{option}", value)]
    command = [
        sys.executable,
        "-m",
        "tests.helpers.on_devices",
        folder,
        ",".join(map(str, numbers)),
        name,
        *arguments,
    ]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=900, cwd=ROOT, env=environment
    )
    assert done.returncode == 0, done.stderr
    return [metric_log.read_columns(folder / str(number) / "metrics.jsonl") for number in numbers]


@pytest.mark.parametrize(
    ("precision", "steps", "tolerance"), [("float64", 100, 1e-10), ("float32", 20, 1e-4)]
)
@pytest.mark.parametrize("system", SYSTEMS)
def test_losses_agree(system, precision, steps, tolerance, tmp_path, count):
    numbers = count((), (1, 2, 4, 8))
    if not numbers:
        pytest.skip("only with --full; test_sharing.py compares small networks")
    steps = FEWER.get((system, precision), steps)
    # Twenty train steps in float32 take less time than compiling as users do; of convolutions even two take more.
    quickly = precision == "float32" and system != "mnist_cnn"
    environment = os.environ if quickly else as_used()
    found = recorded(system, tmp_path, numbers, environment, precision=precision, steps=steps)
    worst = max(
        np.max(np.abs(other[name] - found[0][name]) / np.abs(found[0][name]))
        for other in found[1:]
        for name in LOSSES
    )
    print(
        f"{system}, {precision}, devices {numbers}: losses of {steps} steps agree to a relative {worst:.1e}"
    )
    assert found[0]["step"].tolist() == list(range(1, steps + 1))
    assert worst < tolerance
