"""Command lines and data files with any content are used, or refused by a `JaxganError`."""

import dataclasses
import importlib
import random
import shutil
import sys

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from jaxgan import cli
from jaxgan.data import tfds_builders
from jaxgan.data.image_datasets import load_split
from jaxgan.errors import ConfigError
from jaxgan.runs.command_line import parse_cli
from tests.helpers.corruption import damage_file
from tests.helpers.fuzzing import call_or_refuse
from tests.helpers.image_files import write_idx

EXPERIMENTS = ("parabola", "mnist_mlp", "mnist_mlp_bce", "mnist_cnn", "mnist_wgan", "mixture")
ODD_WORDS = (
    *("", "-", "--", "None", "True", "auto", "0x10", "1e400", "-0", "9" * 30, "½", "[1]", "a b"),
    *("digits", "~", "~nobody-of-that-name/run", "/", "a/../b"),
)
WORDS = (
    st.integers(-3, 200).map(str)
    | st.floats().map(str)
    | st.sampled_from(ODD_WORDS)
    | st.text(max_size=5)
)


def parse_or_refuse(parse, words, monkeypatch, capfd):
    """Returns the configuration or None, what was printed if it is refused, and the exit status."""
    monkeypatch.setattr(sys, "argv", ["program", *words])
    try:
        return parse(), "", 0
    except ConfigError as error:
        return None, str(error), 1
    except SystemExit as error:
        return None, "".join(capfd.readouterr()), error.code


def check_command_lines(config_type, parse, use, monkeypatch, capfd, num, prefix=()):
    """Parses random command lines; returns how many are valid.

    Args:
      config_type: The dataclass of the options.
      parse: Parses `sys.argv`.
      use: Called with each configuration.
      monkeypatch: The fixture.
      capfd: The fixture.
      num: Number of command lines.
      prefix: Words before the options.
    """
    options = [f"--{field.name.replace('_', '-')}" for field in dataclasses.fields(config_type)]
    pairs = st.tuples(st.sampled_from([*options, "--no-such"]), WORDS) | st.tuples(WORDS)
    num_valid = 0

    @settings(
        max_examples=num,
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(st.lists(pairs, min_size=1, max_size=2))
    def check(pairs):
        nonlocal num_valid
        words = [*prefix, *(word for pair in pairs for word in pair)]
        config, output, status = parse_or_refuse(parse, words, monkeypatch, capfd)
        assert status in (0, 1, 2)
        if config is None:
            assert len(output) > 20
            assert "Traceback" not in output
            return
        num_valid += 1
        use(config)

    check()
    return num_valid


@pytest.mark.parametrize("name", [*EXPERIMENTS, "compare", "gallery"])
def test_parse_cli_accepts_or_refuses_any_words(name, monkeypatch, capfd, count):
    module, num = importlib.import_module(f"experiments.{name}"), count(6, 500)

    def use(config):
        if name in EXPERIMENTS:
            assert module.build(config).step

    def parse():
        return parse_cli(module.Config)

    valid = check_command_lines(module.Config, parse, use, monkeypatch, capfd, num)
    print(f"{name}: {num} command lines, of which {valid} are valid")


@pytest.mark.parametrize("name", cli.SUBCOMMANDS)
def test_subcommands_accept_or_refuse_any_words(name, monkeypatch, capfd, count):
    module, num, parsed = cli.SUBCOMMANDS[name], count(6, 300), []
    monkeypatch.setattr(module, "run", parsed.append)

    def parse():
        cli.main()
        return parsed.pop()

    def use(config):
        assert isinstance(config, module.Config)

    valid = check_command_lines(module.Config, parse, use, monkeypatch, capfd, num, (name,))
    print(f"{name}: {num} command lines, of which {valid} are valid")


def test_load_split_refuses_damaged_files_or_reads_the_same_images(tmp_path, monkeypatch, count):
    # Port 9 discards what it receives: nothing answers there.
    monkeypatch.setitem(tfds_builders.DOWNLOAD_URLS, "mnist", "http://127.0.0.1:9/")
    monkeypatch.setenv("no_proxy", "127.0.0.1")
    official = write_idx(tmp_path / "official")
    for file in tfds_builders.FILES:
        url = tfds_builders.OFFICIAL_URLS["mnist"] + file
        info = tfds_builders.checksums.compute_url_info(official / file)
        monkeypatch.setitem(tfds_builders.checksums.get_all_url_infos(), url, info)
    manual, prepared = tmp_path / "manual", tmp_path / "prepared"
    for folder in (manual, prepared):
        shutil.copytree(official, folder / "downloads" / "manual" / "mnist")
    expected = load_split("mnist", prepared)
    shutil.rmtree(prepared / "downloads")

    num, num_refused = count(20, 200), 0
    for seed in range(num):
        folder, rng = tmp_path / "damaged", random.Random(seed)
        shutil.copytree(rng.choice((manual, prepared)), folder)
        damage = damage_file(folder, rng)
        found, message = call_or_refuse(load_split, "mnist", folder)
        if found is None:
            num_refused += 1
            named = str(folder) in message or "train-" in message or "t10k-" in message
            assert named, f"{damage}: {message}"
        else:
            np.testing.assert_array_equal(found.images, expected.images, err_msg=damage)
            np.testing.assert_array_equal(found.labels, expected.labels, err_msg=damage)
        shutil.rmtree(folder)
    assert num_refused > count(5, 50)
    print(f"{num} damages of data files, {num_refused} refused; the others affected no image")
