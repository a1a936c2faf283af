"""Command lines of experiments: options, help, errors as messages, exit statuses."""

import dataclasses
import errno
import os
import re
import subprocess
import sys

import jax
import pytest

from experiments import mnist_cnn
from jaxgan.errors import ConfigError
from jaxgan.runs import command_line
from jaxgan.runs.config import is_option
from tests.helpers import toy_experiment
from tests.helpers.programs import ROOT


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--steps", 0), "steps is 0, expected at least 1"),
        (("--epochs", -1), "epochs is -1"),
        (("--seed", -1), "seed is -1, expected at least 0"),
        (("--seed", 2**32), "seed is 4,294,967,296, expected at most 4,294,967,295"),
        (("--batch-size", 0), "batch_size is 0"),
        (("--batch-size", 1798), "batch_size is 1798, expected 1 to 1797"),
        (("--keep-every", 0), "keep_every is 0, expected at least 1"),
        (("--num-processes", 2), "num_processes is given, but coordinator is not"),
    ],
)
def test_options_out_of_range_are_refused_before_anything_is_written(
    train_toy, tmp_path, arguments, message
):
    status, _, error = train_toy(tmp_path / "run", *arguments)
    assert status == 1
    assert error.startswith("error: ")
    assert message in error
    assert not (tmp_path / "run").exists()


def test_help_has_the_docstring_and_every_option(command):
    status, output, _ = command(mnist_cnn.main, "--help")
    assert status == 0
    for expected in (mnist_cnn.__doc__.splitlines()[0], "python -m experiments.mnist_cnn"):
        assert expected in output
    options = {name.removeprefix("no-") for name in re.findall(r"--([a-z0-9-]+)", output)}
    fields = filter(is_option, dataclasses.fields(mnist_cnn.Config))
    assert {field.name.replace("_", "-") for field in fields} <= options


def test_parse_cli_suggests_an_option_for_a_typo(command):
    status, output, error = command(mnist_cnn.main, "--epoch", 3)
    assert status == 2
    assert "--epochs" in output + error


@pytest.mark.parametrize("words", [["--preset", "tuned"], ["--preset=tuned"]])
def test_parse_cli_takes_the_defaults_of_a_preset(monkeypatch, words):
    monkeypatch.setattr(sys, "argv", ["program", "--b1", "0.25", *words])
    config = command_line.parse_cli(mnist_cnn.Config)
    assert config == mnist_cnn.Config.from_preset("tuned", b1=0.25)


@pytest.mark.parametrize(
    ("error", "status", "messages"),
    [
        (ConfigError("steps is 0"), 1, ("error: steps is 0\n",)),
        (OSError(28, "No space left"), 1, ("error: [Errno 28] No space left", "untouched")),
        (KeyboardInterrupt(), 130, ("Stopped immediately. Existing checkpoints are untouched.",)),
        (SystemExit(7), 7, ()),
    ],
)
def test_exit_on_error_prints_a_message_and_exits(capfd, error, status, messages):
    with pytest.raises(SystemExit) as raised, command_line.exit_on_error():
        raise error
    assert raised.value.code == status
    output, stderr = capfd.readouterr()
    assert output == ""
    assert all(message in stderr for message in messages)
    assert stderr or not messages


@pytest.mark.parametrize("statement", ["print_line('text')", "print('text')", "parse_cli(Config)"])
def test_command_ends_without_a_message_if_nothing_reads_its_output(statement):
    reader, writer = os.pipe()
    os.close(reader)
    program = f"""
from experiments.parabola import Config
from jaxgan.runs.command_line import exit_on_error, parse_cli
from jaxgan.runs.console import print_line
with exit_on_error():
    {statement}
"""
    arguments = [sys.executable, "-c", program, "--help"]
    done = subprocess.run(arguments, stdout=writer, stderr=subprocess.PIPE, cwd=ROOT, text=True)
    os.close(writer)
    assert (done.returncode, done.stderr) == (command_line.BROKEN_PIPE_STATUS, "")


def test_exit_on_error_reports_a_broken_pipe_that_is_not_the_output(capfd):
    with pytest.raises(SystemExit), command_line.exit_on_error(resumable=False):
        raise BrokenPipeError(errno.EPIPE, "Broken pipe")
    assert capfd.readouterr().err == "error: [Errno 32] Broken pipe\n"


def test_exit_on_error_does_not_mention_resuming_if_there_is_no_run(capfd):
    with pytest.raises(SystemExit), command_line.exit_on_error(resumable=False):
        raise OSError(28, "No space left")
    assert capfd.readouterr().err == "error: [Errno 28] No space left\n"


@pytest.mark.parametrize("error", [TypeError("a bug"), ValueError("a bug")])
def test_exit_on_error_does_not_hide_bugs(error):
    with pytest.raises(type(error), match="a bug"), command_line.exit_on_error():
        raise error


def test_exit_on_error_reports_the_end_of_another_process(capfd, monkeypatch):
    monkeypatch.setattr(command_line, "is_peer_failure", lambda error: True)
    with pytest.raises(SystemExit) as raised, command_line.exit_on_error():
        raise jax.errors.JaxRuntimeError("UNAVAILABLE: connection reset by peer")
    assert raised.value.code == 1
    assert "Start all processes again to resume." in capfd.readouterr().err


def test_module_name_of_a_main_module_can_be_imported(monkeypatch):
    assert command_line.module_name(toy_experiment.Config) == "tests.helpers.toy_experiment"
    monkeypatch.setattr(toy_experiment.Config, "__module__", "__main__")
    main = type(sys)("__main__")
    main.__spec__ = toy_experiment.__spec__
    monkeypatch.setitem(sys.modules, "__main__", main)
    assert command_line.module_name(toy_experiment.Config) == "tests.helpers.toy_experiment"
    main.__spec__ = None
    with pytest.raises(ConfigError, match="started as a file; start it as a module"):
        command_line.module_name(toy_experiment.Config)


def test_python_command_is_short(monkeypatch, tmp_path):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(sys, "executable", str(tmp_path / ".venv" / "bin" / "python"))
    assert command_line.python_command("jaxgan") == [".venv/bin/python", "-m", "jaxgan"]
    monkeypatch.setattr(sys, "executable", "/elsewhere/bin/python")
    assert command_line.python_command("jaxgan") == ["python", "-m", "jaxgan"]
