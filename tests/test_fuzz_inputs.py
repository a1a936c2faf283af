"""Whatever a command line or a data file says, it is used or refused by an error of ours."""

import dataclasses
import importlib
import random
import shutil
import sys

import numpy as np
import pytest
from damaging import damage
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from test_images import write_idx

from jaxgan.data import builders
from jaxgan.data.images import load
from jaxgan.errors import ConfigError, DataError
from jaxgan.settings import command_line

NAMES = ("parabola", "mnist_mlp", "mnist_mlp_bce", "mnist_cnn", "mnist_wgan", "mixture", "compare", "evaluate", "sample")
WORDS = (
    st.integers(-3, 200).map(str)
    | st.floats().map(str)
    | st.sampled_from(("", "-", "--", "None", "True", "auto", "0x10", "1e400", "-0", "9" * 30, "½", "[1]", "a b", "digits"))
    | st.text(max_size=5)
)


@pytest.mark.parametrize("name", NAMES)
def test_command_lines_are_read_or_refused(name, monkeypatch, capfd, count):
    module = importlib.import_module(f"experiments.{name}")
    options = [f"--{field.name.replace('_', '-')}" for field in dataclasses.fields(module.Config)]
    parts = st.lists(st.sampled_from([*options, "--no-such"]) | WORDS, max_size=5)

    @settings(max_examples=count(20, 250), deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))
    @given(parts)
    def check(words):
        monkeypatch.setattr(sys, "argv", ["program", *words])
        try:
            config = command_line(module.Config)
        except ConfigError as error:
            assert len(str(error)) > 20
        except SystemExit as end:
            out, err = capfd.readouterr()
            assert end.code in (0, 2), words
            assert "Traceback" not in out + err
            assert len(out + err) > 50, words
        else:
            if hasattr(module, "build") and name != "compare":
                module.build(config)

    check()


def test_damaged_files_of_a_set_are_refused_or_had_nothing_spoiled(tmp_path, monkeypatch, count):
    monkeypatch.setitem(builders.URLS, "mnist", "http://127.0.0.1:9/")  # the port of discarded bytes: nobody there
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    official = write_idx(tmp_path / "official")
    for file in builders.FILES:
        url = builders.OFFICIAL["mnist"] + file
        info = builders.checksums.compute_url_info(official / file)
        monkeypatch.setitem(builders.checksums.get_all_url_infos(), url, info)
    manual, prepared = tmp_path / "manual", tmp_path / "prepared"
    for folder in (manual, prepared):
        shutil.copytree(official, folder / "downloads" / "manual" / "mnist")
    expected = load("mnist", prepared)
    shutil.rmtree(prepared / "downloads")

    refused = 0
    for seed in range(count(20, 200)):
        folder, chance = tmp_path / "damaged", random.Random(seed)
        shutil.copytree(chance.choice((manual, prepared)), folder)
        what = damage(folder, chance)
        try:
            found = load("mnist", folder)
        except DataError as error:
            refused += 1
            assert str(folder) in str(error) or "train-" in str(error) or "t10k-" in str(error), f"{what}: {error}"
        else:
            np.testing.assert_array_equal(found.images, expected.images, err_msg=what)
            np.testing.assert_array_equal(found.labels, expected.labels, err_msg=what)
        shutil.rmtree(folder)
    assert refused > count(5, 50)
    print(f"{count(20, 200)} damages of data files, {refused} refused; the others had spoiled nothing that is read")
