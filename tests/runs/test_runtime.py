"""Settings of JAX for a run: threads, devices, 64-bit types."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from jaxgan.runs.runtime import count_cores
from tests.helpers.programs import ROOT

CONFIGURE = """
import importlib, json, pathlib, sys
import jax
from jaxgan.runs.runtime import configure_jax
module, changes = sys.argv[1], json.loads(sys.argv[2])
configure_jax(importlib.import_module(f"experiments.{module}").Config(**changes))
jax.numpy.ones(3).sum().block_until_ready()
tasks = pathlib.Path("/proc/self/task")
names = [(task / "comm").read_text() for task in tasks.iterdir()] if tasks.exists() else []
print(json.dumps({
    "threads": sum("XLAEigen" in name for name in names),
    "devices": jax.device_count(),
    "x64": jax.config.jax_enable_x64,
}))
"""


def configure(module, **changes):
    """Returns what JAX uses in a process that has configured it for an experiment."""
    command = [sys.executable, "-c", CONFIGURE, module, json.dumps(changes)]
    environment = {name: x for name, x in os.environ.items() if name != "JAX_ENABLE_X64"}
    options = {"capture_output": True, "text": True, "timeout": 120, "check": True}
    done = subprocess.run(command, cwd=ROOT, env=environment, **options)
    return json.loads(done.stdout)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's names of threads")
@pytest.mark.parametrize(("module", "threads"), [("parabola", 1), ("mnist_mlp", count_cores())])
def test_configure_jax_restricts_tiny_networks_to_one_thread(module, threads):
    assert configure(module)["threads"] == threads


@pytest.mark.parametrize(
    ("changes", "devices", "x64"),
    [
        ({}, 1, False),
        ({"num_seeds": 3}, count_cores(), False),
        ({"num_devices": 3, "precision": "float64"}, 3, True),
    ],
)
def test_configure_jax_sets_devices_and_64_bit_types(changes, devices, x64):
    found = configure("parabola", **changes)
    assert (found["devices"], found["x64"]) == (devices, x64)
