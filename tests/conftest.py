"""Strict JAX settings for every test, and the fixtures that several packages of tests share."""

import gc
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
jax.devices()  # creates them now, before an experiment asks for another number

# Traced programs are millions of objects that stay: collecting them takes a quarter of the time.
gc.set_threshold(1_000_000)

worker = os.environ.get("PYTEST_XDIST_WORKER")
if worker and hasattr(os, "sched_setaffinity"):
    # One core per worker: XLA's threads of several processes that wait for each other on the same
    # cores take many times as long.
    cores = sorted(os.sched_getaffinity(0))
    os.sched_setaffinity(0, {cores[int(worker.removeprefix("gw")) % len(cores)]})


def pytest_addoption(parser):
    parser.addoption(
        "--full",
        action="store_true",
        help="run as many kills, corruptions and random inputs as the long robustness runs do",
    )
    parser.addoption("--browser", action="store_true", help="run the tests that need Chromium")


def pytest_configure(config):
    """Caches compiled programs on disk, also for the processes that tests start."""
    folder = str(config.cache.mkdir("jax"))
    os.environ |= {
        "JAX_COMPILATION_CACHE_DIR": folder,
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.05",
    }
    jax.config.update("jax_compilation_cache_dir", folder)
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.05)


def pytest_collection_modifyitems(config, items):
    """Skips the tests that are marked `stress` or `browser`, unless their option is given."""
    for marker, option, target in (
        ("stress", "full", "make stress"),
        ("browser", "browser", "make test-browser"),
    ):
        if config.getoption(option):
            continue
        skip = pytest.mark.skip(reason=f"runs with --{option} ({target})")
        for item in items:
            if item.get_closest_marker(marker):
                item.add_marker(skip)


@pytest.fixture(scope="session")
def count(request):
    """Returns a function of two numbers of trials: the second is for --full."""
    return lambda few, many: many if request.config.getoption("full") else few


@pytest.fixture(scope="session")
def mnist_files():
    """Returns the folder of the four official MNIST files; skips if JAXGAN_MNIST is not set."""
    folder = os.environ.get("JAXGAN_MNIST")
    if not folder:
        pytest.skip("JAXGAN_MNIST does not name a folder with the files of MNIST")
    return Path(folder)


@pytest.fixture
def offline(monkeypatch, tmp_path):
    """Makes downloads fail, and hides the data sets in the home directory of the user."""

    def refuse(url, path, *args, **kwargs):
        raise DataError(f"{url} cannot be fetched: no network in tests.")

    monkeypatch.setattr("jaxgan.data.tfds_builders.download_file", refuse)
    monkeypatch.setenv("HOME", str(tmp_path / "home"))


@pytest.fixture
def command(monkeypatch, capfd):
    """Returns `(main, *arguments) -> (exit status, stdout, stderr)`, which calls a main function.

    The arguments are those of its command line.
    """

    def call(main, *arguments):
        monkeypatch.setattr(sys, "argv", ["program", *map(str, arguments)])
        try:
            main()
            status = 0
        except SystemExit as error:
            status = error.code
        return status, *capfd.readouterr()

    return call


@pytest.fixture
def train_toy(command, offline):
    """Returns `(workdir, *arguments, dataset="digits")`, which runs the toy experiment.

    The result is that of `command`. An epoch has 926 train steps.
    """
    from tests.helpers import toy_experiment

    def train(workdir, *arguments, dataset="digits"):
        options = () if dataset is None else ("--dataset", dataset)
        options += ("--workdir", workdir, "--batch-size", 64, "--steps-per-block", 50)
        options += ("--no-report",)  # it takes longer than the train steps
        return command(toy_experiment.main, *options, *arguments)

    return train
