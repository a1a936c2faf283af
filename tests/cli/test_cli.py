"""The `jaxgan` command: its subcommands and their help."""

import json
import subprocess
import sys

import pytest

from jaxgan import Callbacks, TrainOptions, cli, train
from tests.helpers.networks import tiny_gan, tiny_source
from tests.helpers.programs import ROOT


def test_main_without_a_subcommand_names_them(command):
    status, output, error = command(cli.main)
    assert status == 2
    assert all(name in output + error for name in cli.SUBCOMMANDS)


def test_main_refuses_an_unknown_subcommand(command):
    status, output, error = command(cli.main, "smaple", "x")
    assert status == 2
    assert "smaple" in output + error


@pytest.mark.parametrize("name", cli.SUBCOMMANDS)
def test_subcommand_help_has_its_docstring(command, name):
    status, output, _ = command(cli.main, name, "--help")
    assert status == 0
    text = " ".join(output.replace("│", "").split())
    assert f"usage: jaxgan {name}" in text
    assert cli.SUBCOMMANDS[name].__doc__.splitlines()[0] in text


def test_main_imports_experiments_of_the_working_directory(tmp_path):
    """The modules that config.json names need not be installed."""
    (tmp_path / "my_experiment.py").write_text("def build(config): ...\n")
    callbacks = Callbacks(progress=None, log=lambda text: None)
    train(tiny_gan(), tiny_source(), tmp_path, TrainOptions(steps=1), callbacks)
    record = json.loads((tmp_path / "config.json").read_text())
    record |= {"experiment": "my_experiment", "config": {}}
    (tmp_path / "config.json").write_text(json.dumps(record))
    command = [sys.executable, "-m", "jaxgan", "sample", str(tmp_path)]
    environment = {"PYTHONPATH": str(ROOT), "PATH": ""}
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, cwd=tmp_path, env=environment
    )
    assert done.returncode == 1
    assert "has no attribute 'Config'" in done.stderr  # so it was imported
