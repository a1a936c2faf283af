"""The strictest JAX there is: what is silently wrong elsewhere is an error here."""

import os
import sys
from pathlib import Path

import jax
import pytest

from jaxgan.errors import DataError

jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_legacy_prng_key", "error")
jax.config.update("jax_debug_key_reuse", True)
jax.config.update("jax_num_cpu_devices", 2)


worker = os.environ.get("PYTEST_XDIST_WORKER")
if worker and hasattr(os, "sched_setaffinity"):
    # A core each: threads of several processes that wait for each other on the same cores take many times as long.
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[int(worker.removeprefix("gw")) % len(cores)]})


def pytest_addoption(parser):
    parser.addoption(
        "--full",
        action="store_true",
        help="as many kills, damages and inputs as `make torture` tries",
    )


@pytest.fixture(scope="session")
def count(request):
    """How often to try: the first number, or with --full the second."""
    return lambda few, many: many if request.config.getoption("full") else few


def pytest_configure(config):
    """Programs are compiled once, not once a test; processes that tests start find them too."""
    folder = str(config.cache.mkdir("jax"))
    os.environ |= {
        "JAX_COMPILATION_CACHE_DIR": folder,
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    jax.config.update("jax_compilation_cache_dir", folder)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)


@pytest.fixture(scope="session")
def mnist_files():
    """The folder of the four official MNIST files; skips where JAXGAN_MNIST does not name it."""
    folder = os.environ.get("JAXGAN_MNIST")
    if not folder:
        pytest.skip("JAXGAN_MNIST names no folder with MNIST's files")
    return Path(folder)


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """The test does not reach for the network, or for the data of whoever runs it."""

    def refuse(url, path, *args, **kwargs):
        raise DataError(f"{url} cannot be fetched: no network in tests.")

    monkeypatch.setattr("jaxgan.data.tfds_builders.download_file", refuse)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture
def command(monkeypatch, capfd):
    """Calls an experiment's main as a command line would: (exit status, what it said, what it complained of)."""

    def call(main, *arguments):
        monkeypatch.setattr(sys, "argv", ["program", *map(str, arguments)])
        try:
            main()
            status = 0
        except SystemExit as end:
            status = end.code
        return status, *capfd.readouterr()

    return call
