"""Whatever a command line or a data file says, it is used or refused by an error of ours."""

import dataclasses
import importlib
import random
import shutil
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jaxgan.data import tfds_builders
from jaxgan.data.image_datasets import load_split
from jaxgan.errors import ConfigError
from jaxgan.runs.command_line import parse_cli
from tests.helpers.corruption import damage
from tests.helpers.fuzzing import outcome
from tests.helpers.image_files import write_idx

SYSTEMS = ("parabola", "mnist_mlp", "mnist_mlp_bce", "mnist_cnn", "mnist_wgan", "mixture")
ODD = (
    "",
    "-",
    "--",
    "None",
    "True",
    "auto",
    "0x10",
    "1e400",
    "-0",
    "9" * 30,
    "½",
    "[1]",
    "a b",
    "digits",
)
WORDS = (
    st.integers(-3, 200).map(str)
    | st.floats().map(str)
    | st.sampled_from(ODD)
    | st.text(max_size=5)
)


def read_or_refused(config, words, monkeypatch, capfd):
    """The settings, or None; what was said where they are refused; and with which exit status."""
    monkeypatch.setattr(sys, "argv", ["program", *words])
    try:
        return parse_cli(config), "", 0
    except ConfigError as error:
        return None, str(error), 1
    except SystemExit as end:
        return None, "".join(capfd.readouterr()), end.code


@pytest.mark.parametrize("name", [*SYSTEMS, "compare", "evaluate", "sample"])
def test_command_lines_are_read_or_refused(name, monkeypatch, capfd, count):
    module = importlib.import_module(f"experiments.{name}")
    options = [f"--{field.name.replace('_', '-')}" for field in dataclasses.fields(module.Config)]
    pairs = st.tuples(st.sampled_from([*options, "--no-such"]), WORDS) | st.tuples(WORDS)
    read = 0

    @settings(
        max_examples=count(15, 500),
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(pairs, min_size=1, max_size=2))
    def check(pairs):
        nonlocal read
        words = [word for pair in pairs for word in pair]
        config, said, status = read_or_refused(module.Config, words, monkeypatch, capfd)
        assert status in (0, 1, 2)
        if config is None:
            assert len(said) > 20
            assert "Traceback" not in said
            return
        read += 1
        if name in SYSTEMS:
            assert module.build(config).step

    check()
    print(f"{name}: {count(15, 500)} command lines, of which {read} are in order")


def test_damaged_files_of_a_set_are_refused_or_had_nothing_spoiled(tmp_path, monkeypatch, count):
    monkeypatch.setitem(
        tfds_builders.URLS, "mnist", "http://127.0.0.1:9/"
    )  # the port of discarded bytes: nobody there
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    official = write_idx(tmp_path / "official")
    for file in tfds_builders.FILES:
        url = tfds_builders.OFFICIAL["mnist"] + file
        info = tfds_builders.checksums.compute_url_info(official / file)
        monkeypatch.setitem(tfds_builders.checksums.get_all_url_infos(), url, info)
    manual, prepared = tmp_path / "manual", tmp_path / "prepared"
    for folder in (manual, prepared):
        shutil.copytree(official, folder / "downloads" / "manual" / "mnist")
    expected = load_split("mnist", prepared)
    shutil.rmtree(prepared / "downloads")

    refused = 0
    for seed in range(count(20, 200)):
        folder, chance = tmp_path / "damaged", random.Random(seed)
        shutil.copytree(chance.choice((manual, prepared)), folder)
        what = damage(folder, chance)
        found, said = outcome(load_split, "mnist", folder)
        if found is None:
            refused += 1
            assert str(folder) in said or "train-" in said or "t10k-" in said, f"{what}: {said}"
        else:
            np.testing.assert_array_equal(found.images, expected.images, err_msg=what)
            np.testing.assert_array_equal(found.labels, expected.labels, err_msg=what)
        shutil.rmtree(folder)
    assert refused > count(5, 50)
    print(
        f"{count(20, 200)} damages of data files, {refused} refused; the others had spoiled nothing that is read"
    )
