"""Settings of JAX for a run: threads, devices, 64-bit types, compilation cache."""

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
    "cache": jax.config.jax_compilation_cache_dir,
}))
"""


def configure(module, environment=None, **changes):
    """Returns what JAX uses in a process that has configured it for an experiment."""
    command = [sys.executable, "-c", CONFIGURE, module, json.dumps(changes)]
    unset = {"JAX_ENABLE_X64", "JAX_COMPILATION_CACHE_DIR"}
    environment = {k: x for k, x in os.environ.items() if k not in unset} | (environment or {})
    options = {"capture_output": True, "text": True, "timeout": 120, "check": True}
    done = subprocess.run(command, cwd=ROOT, env=environment, **options)
    return json.loads(done.stdout)


@pytest.mark.skipif(not Path("/proc/self/task").exists(), reason="needs Linux's names of threads")
@pytest.mark.parametrize(("module", "threads"), [("parabola", 1), ("mnist_mlp", count_cores())])
def test_configure_jax_restricts_tiny_networks_to_one_thread(module, threads):
    assert configure(module, compilation_cache=False)["threads"] == threads


@pytest.mark.parametrize(
    ("changes", "devices", "x64"),
    [
        ({}, 1, False),
        ({"num_seeds": 3}, count_cores(), False),
        ({"num_devices": 3, "precision": "float64"}, 3, True),
    ],
)
def test_configure_jax_sets_devices_and_64_bit_types(changes, devices, x64):
    found = configure("parabola", compilation_cache=False, **changes)
    assert (found["devices"], found["x64"]) == (devices, x64)


def test_configure_jax_keeps_compiled_programs_in_the_data_directory(tmp_path):
    (tmp_path / "home").mkdir()
    found = configure("parabola", {"HOME": str(tmp_path / "home")})
    folder = tmp_path / "home" / "jaxgan_data" / "compilation_cache"
    assert (found["cache"], folder.is_dir()) == (str(folder), True)
    data_dir = str(tmp_path / "data")
    found = configure("mnist_mlp", {"HOME": str(tmp_path / "home")}, data_dir=data_dir)
    assert found["cache"] == str(tmp_path / "data" / "compilation_cache")


def test_configure_jax_sets_no_compilation_cache_if_not_asked_or_set_already(tmp_path):
    assert configure("parabola", compilation_cache=False)["cache"] is None
    mine = {"JAX_COMPILATION_CACHE_DIR": str(tmp_path), "HOME": str(tmp_path / "home")}
    assert configure("parabola", mine)["cache"] == str(tmp_path)
    assert not (tmp_path / "home").exists()
    (tmp_path / "jaxgan_data").write_text("not a directory")
    assert configure("parabola", {"HOME": str(tmp_path)})["cache"] is None
