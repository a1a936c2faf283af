"""Several processes, one run: two on this machine, against one with as many devices."""

import json
import signal
import socket
import subprocess
import sys
import time

import jax
import numpy as np
import pytest

from jaxgan.distributed import multihost
from jaxgan.errors import ConfigError
from jaxgan.runs import command_line
from jaxgan.training import metric_log
from tests.helpers.programs import ROOT, as_used
from tests.helpers.systems import LOSSES, SYSTEMS

LONG = 100_000
ALL = SYSTEMS | {
    "parabola_population": ("parabola", "--seeds", "8"),
    "mnist_mlp_streamed": (*SYSTEMS["mnist_mlp"], "--stream"),
}


def start(num, workdir, system="parabola", second=(), **options):
    """So many processes of an experiment, with four devices in all if not told otherwise.

    `second` is what the second one is told besides.
    """
    with socket.socket() as free:
        free.bind(("localhost", 0))
        coordinator = f"localhost:{free.getsockname()[1]}"
    name, *arguments = ALL[system]
    options = {"workdir": workdir, "batch-size": 64, "devices": 4} | options
    arguments += [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    command = [sys.executable, "-m", f"experiments.{name}", *arguments]
    together = ["--coordinator", coordinator, "--num-processes", str(num), "--process-id"]
    commands = (
        [[*command, *together, str(i), *(second if i == 1 else ())] for i in range(num)]
        if num > 1
        else [command]
    )
    # The tests' quick compiling makes convolutions slow.
    environment = as_used() if name == "mnist_cnn" else None
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    options = {"cwd": ROOT, "env": environment} | pipes
    return [subprocess.Popen(command, **options) for command in commands]


def ends(started, seconds=300):
    """(status, what it said, what it complained of) of each."""
    try:
        said = [process.communicate(timeout=seconds) for process in started]
    finally:
        for process in started:
            process.kill()
            process.communicate()
    return [(process.returncode, *texts) for process, texts in zip(started, said, strict=True)]


def run(*arguments, **options):
    for status, _, complained in ends(start(*arguments, **options)):
        assert status == 0, complained


def wait_for_lines(workdir, num):
    """Until so many train steps are recorded."""
    log, until = workdir / "metrics.jsonl", time.monotonic() + 120
    while not log.exists() or log.read_bytes().count(b"\n") < num:
        assert time.monotonic() < until, "it does not train"
        time.sleep(0.05)


def assert_agree(found, expected, steps, tolerance):
    found, expected = (
        metric_log.read_columns(workdir / "metrics.jsonl") for workdir in (found, expected)
    )
    assert found["step"].tolist() == expected["step"].tolist() == list(range(1, steps + 1))
    worst = max(
        np.max(np.abs(found[name] - expected[name]) / np.abs(expected[name])) for name in LOSSES
    )
    assert worst < tolerance
    return worst


@pytest.mark.parametrize(
    ("system", "precision", "steps", "tolerance"),
    [
        ("mnist_cnn", "float64", 6, 1e-10),  # the slowest first
        ("mnist_mlp_streamed", "float64", 100, 1e-10),
        ("mnist_wgan_gradient_penalty", "float32", 20, 1e-4),
        ("parabola_population", "float64", 100, 1e-10),
        ("parabola", "float64", 100, 1e-10),
    ],
)
def test_two_processes_train_as_one_does(system, precision, steps, tolerance, tmp_path, count):
    if not count(False, True):
        pytest.skip("only with --full")
    options = {"system": system, "precision": precision}
    run(1, tmp_path / "one", steps=steps, **options)
    by_turns = (
        (2, steps // 3),
        (1, steps // 2),
        (2, steps),
    )  # each goes on from the other's checkpoint
    for num, until in by_turns if steps == 100 else ((2, steps),):  # what is slow, in one go
        run(num, tmp_path / "two", steps=until, **options)
    worst = assert_agree(tmp_path / "two", tmp_path / "one", steps, tolerance)
    print(
        f"{system}, {precision}, 1 and 2 processes of 4 devices: {steps} steps agree to a relative {worst:.1e}"
    )


@pytest.mark.parametrize("one", [0, 1])
def test_what_happens_to_one_ends_both_and_both_go_on(one, tmp_path, count):
    if not count(one == 1, True):
        pytest.skip("only with --full")
    options = {"block": 5, "precision": "float64", "devices": count(2, 4)}
    started = start(2, tmp_path / "parts", steps=LONG, **options)
    wait_for_lines(tmp_path / "parts", 10)
    started[one].send_signal(signal.SIGTERM)
    ended = ends(started, 60)
    assert [status for status, *_ in ended] == [130, 130], ended
    step = int(metric_log.read_columns(tmp_path / "parts" / "metrics.jsonl")["step"][-1])
    assert f"Stopped at step {step:,} of {LONG:,}; all is saved." in ended[0][1]
    assert (tmp_path / "parts" / "checkpoints" / str(step) / "meta").exists()

    started = start(2, tmp_path / "parts", steps=LONG, **options)
    wait_for_lines(tmp_path / "parts", step + 5)
    started[one].kill()
    began = time.monotonic()
    status, _, complained = ends(started, 60)[1 - one]
    print(
        f"process {one} of two killed: the other ended after {time.monotonic() - began:.0f} s, status {status}"
    )
    assert status not in (0, 130)
    assert "another process has ended" in complained or "another task died" in complained

    run(2 - one, tmp_path / "parts", steps=step + 20, **options)
    run(1, tmp_path / "whole", steps=step + 20, **options)
    assert_agree(tmp_path / "parts", tmp_path / "whole", step + 20, 1e-10)
    config = json.loads((tmp_path / "parts" / "config.json").read_text())["config"]
    assert (config["coordinator"], config["num_processes"], config["process_id"]) == (
        None,
        None,
        None,
    )


@pytest.mark.parametrize("one", [0, 1])
def test_what_one_alone_cannot_read_is_damaged_for_both(one, tmp_path, count):
    if not count(False, True):
        pytest.skip("only with --full")
    options = {"system": "parabola_population", "devices": 2, "block": 4}
    for steps in (4, 8):
        run(2, tmp_path / "run", steps=steps, **options)
    for part in (
        tmp_path / "run" / "checkpoints" / "8" / "state" / f"ocdbt.process_{one}" / "d"
    ).iterdir():
        part.write_bytes(b"")
    ended = ends(start(2, tmp_path / "run", steps=12, **options), 120)
    assert [status for status, *_ in ended] == [0, 0], ended
    assert "It is kept in" in ended[0][1]
    assert sorted(path.name for path in (tmp_path / "run" / "damaged").iterdir()) == ["8"]
    run(1, tmp_path / "whole", steps=12, **options)
    assert_agree(tmp_path / "run", tmp_path / "whole", 12, 1e-5)


def test_processes_that_were_started_differently_are_refused(tmp_path, count):
    if not count(False, True):
        pytest.skip("only with --full")
    ended = ends(start(2, tmp_path / "run", devices=2, steps=20, second=("--block", "7")), 120)
    assert [status for status, *_ in ended] == [1, 1], ended
    assert all(
        "the processes differ in their settings or data" in complained for *_, complained in ended
    )
    assert not (tmp_path / "run" / "config.json").exists()


@pytest.mark.parametrize(
    ("place", "message"),
    [
        ((None, 2, None), "num_processes given, but the coordinator is not given"),
        (("auto", 2, 0), "num_processes and process_id given, but the coordinator is 'auto'"),
        (("somewhere", 2, 0), "coordinator is 'somewhere', expected HOST:PORT or auto"),
        (("somewhere:99999", 2, 0), "expected HOST:PORT or auto"),
        (("localhost:1234", 2, None), "so process_id must be given too"),
        (("localhost:1234", 2, 2), "process_id is 2, expected 0 to 1"),
    ],
)
def test_an_address_that_will_not_do_is_refused(place, message):
    with pytest.raises(ConfigError, match=message):
        multihost.validate_distributed_args(*place)
    with pytest.raises(ConfigError, match=message):
        multihost.initialize(*place)


@pytest.mark.parametrize(
    ("error", "several", "told"),
    [
        (ValueError("UNKNOWN: Gloo AllGather failed: Connection reset by peer"), True, True),
        (jax.errors.JaxRuntimeError("UNAVAILABLE: Task 1 has died"), True, True),
        (ValueError("UNKNOWN: a failure with nobody else there"), False, False),
        (jax.errors.JaxRuntimeError("without a status"), True, True),
        (ValueError("NO STATUS: a mistake of the program's own"), True, False),
    ],
)
def test_how_jax_fails_where_another_has_ended_is_told(error, several, told, monkeypatch, capsys):
    monkeypatch.setattr(multihost, "is_multiprocess", lambda: several)
    monkeypatch.setattr(command_line, "exit_process", sys.exit)
    with pytest.raises(SystemExit if told else type(error)) as ended, command_line.exit_on_error():
        raise error
    if told:
        assert ended.value.code == 1
    said = " ".join(capsys.readouterr().err.split())
    assert (f"as it does where another process has ended: {error}" in said) == told


def test_what_is_no_cluster_is_not_joined():
    said = subprocess.run(
        [sys.executable, "-m", "experiments.parabola", "--coordinator", "auto"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
    )
    assert said.returncode == 1
    assert "coordinator is 'auto', but the processes did not find each other" in said.stderr
