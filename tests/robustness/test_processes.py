"""A run of two processes gives the results of one process with as many devices."""

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
from jaxgan.training import read_columns
from tests.helpers.programs import ROOT, as_used
from tests.helpers.systems import LOSSES, SYSTEMS

ENDLESS = 100_000  # train steps
PROCESS_SYSTEMS = SYSTEMS | {
    "parabola_population": ("parabola", "--num-seeds", "8"),
    "mnist_mlp_streamed": (*SYSTEMS["mnist_mlp"], "--stream"),
}


def start(num_processes, workdir, system="parabola", extra_of_process_1=(), **options):
    """Starts the processes of one run, which have four devices in all by default."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        coordinator = f"localhost:{free.getsockname()[1]}"
    name, *arguments = PROCESS_SYSTEMS[system]
    options = {"workdir": workdir, "batch-size": 64, "num-devices": 4} | options
    arguments += [str(word) for name, value in options.items() for word in (f"--{name}", value)]
    command = [sys.executable, "-m", f"experiments.{name}", *arguments]
    commands = [command]
    if num_processes > 1:
        command += ["--coordinator", coordinator, "--num-processes", str(num_processes)]
        commands = [[*command, "--process-id", str(i)] for i in range(num_processes)]
        commands[1] += extra_of_process_1
    # The suite's XLA flags compile faster, but make convolutions slow.
    env = as_used() if name == "mnist_cnn" else None
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    return [subprocess.Popen(command, cwd=ROOT, env=env, **pipes) for command in commands]


def wait(processes, timeout=300):
    """Returns (exit status, stdout, stderr) of each process."""
    try:
        texts = [process.communicate(timeout=timeout) for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    return [(process.returncode, *text) for process, text in zip(processes, texts, strict=True)]


def run(*arguments, **options):
    for status, _, stderr in wait(start(*arguments, **options)):
        assert status == 0, stderr


def wait_for_steps(processes, workdir, num):
    """Waits until so many train steps are logged."""
    log, deadline = workdir / "metrics.jsonl", time.monotonic() + 120
    while not log.exists() or log.read_bytes().count(b"\n") < num:
        running = all(process.poll() is None for process in processes)
        if not running or time.monotonic() > deadline:
            for process in processes:
                process.kill()
            pytest.fail(f"{num} train steps are not logged: {wait(processes)}")
        time.sleep(0.05)


def assert_losses_agree(workdir, expected, steps, tolerance):
    """Returns the largest relative difference of the logged losses."""
    losses, expected = (read_columns(folder / "metrics.jsonl") for folder in (workdir, expected))
    assert losses["step"].tolist() == expected["step"].tolist() == list(range(1, steps + 1))
    worst = max(
        np.max(np.abs(losses[name] - expected[name]) / np.abs(expected[name])) for name in LOSSES
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
def test_losses_do_not_depend_on_num_processes(
    system, precision, steps, tolerance, tmp_path, count
):
    if not count(False, True):
        pytest.skip("only with --full")
    options = {"system": system, "precision": precision}
    run(1, tmp_path / "one", steps=steps, **options)
    # (number of processes, last train step); each resumes the other's checkpoint. Slow systems
    # run in one go.
    resumed = ((2, steps // 3), (1, steps // 2), (2, steps))
    for num_processes, last_step in resumed if steps == 100 else ((2, steps),):
        run(num_processes, tmp_path / "two", steps=last_step, **options)
    worst = assert_losses_agree(tmp_path / "two", tmp_path / "one", steps, tolerance)
    print(
        f"{system}, {precision}, 4 devices in 1 and in 2 processes: largest relative difference of "
        f"the losses in {steps} steps: {worst:.1e}"
    )


@pytest.mark.parametrize("stopped", [0, 1])
@pytest.mark.stress
def test_signal_to_one_process_ends_both_and_the_run_resumes(stopped, tmp_path, count):
    workdir, other = tmp_path / "resumed", 1 - stopped
    system = ("parabola", "parabola_population")[stopped]
    options = {"system": system, "precision": "float64", "num-devices": count(2, 4)}
    options |= {"steps-per-block": 5}
    processes = start(2, workdir, steps=ENDLESS, **options)
    wait_for_steps(processes, workdir, 10)
    processes[stopped].send_signal(signal.SIGTERM)
    ended = wait(processes, 60)
    assert [status for status, *_ in ended] == [130, 130], ended
    step = int(read_columns(workdir / "metrics.jsonl")["step"][-1])
    assert f"Stopped at step {step:,} of {ENDLESS:,}; a checkpoint is saved." in ended[0][1]
    assert (workdir / "checkpoints" / str(step) / "meta").exists()

    processes = start(2, workdir, steps=ENDLESS, **options)
    wait_for_steps(processes, workdir, step + 5)
    processes[stopped].kill()
    kill_time = time.monotonic()
    status, _, stderr = wait(processes, 60)[other]
    print(
        f"process {stopped} of 2 killed: the other ended after "
        f"{time.monotonic() - kill_time:.0f} s with status {status}"
    )
    assert status not in (0, 130)
    assert "another process of the run has ended" in stderr or "another task died" in stderr

    run(2 - stopped, workdir, steps=step + 20, **options)
    run(1, tmp_path / "uninterrupted", steps=step + 20, **options)
    assert_losses_agree(workdir, tmp_path / "uninterrupted", step + 20, 1e-10)
    config = json.loads((workdir / "config.json").read_text())["config"]
    for name in ("coordinator", "num_processes", "process_id"):
        assert config[name] is None


@pytest.mark.parametrize("damaged", [0, 1])
def test_checkpoint_that_one_process_cannot_read_is_set_aside_by_both(damaged, tmp_path, count):
    if not count(False, True):
        pytest.skip("only with --full")
    workdir = tmp_path / "run"
    options = {"system": "parabola_population", "num-devices": 2, "steps-per-block": 4}
    for steps in (4, 8):
        run(2, workdir, steps=steps, **options)
    part = workdir / "checkpoints" / "8" / "state" / f"ocdbt.process_{damaged}" / "d"
    for path in part.iterdir():
        path.write_bytes(b"")
    ended = wait(start(2, workdir, steps=12, **options), 120)
    assert [status for status, *_ in ended] == [0, 0], ended
    assert "It was moved to" in ended[0][1]
    assert sorted(path.name for path in (workdir / "quarantine").iterdir()) == ["8"]
    run(1, tmp_path / "uninterrupted", steps=12, **options)
    assert_losses_agree(workdir, tmp_path / "uninterrupted", 12, 1e-5)


def test_processes_with_different_options_are_rejected(tmp_path, count):
    if not count(False, True):
        pytest.skip("only with --full")
    options = {"num-devices": 2, "steps": 20, "extra_of_process_1": ("--steps-per-block", "7")}
    ended = wait(start(2, tmp_path / "run", **options), 120)
    assert [status for status, *_ in ended] == [1, 1], ended
    assert all("the processes differ in options" in stderr for *_, stderr in ended)
    assert not (tmp_path / "run" / "config.json").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((None, 2, None), "num_processes is given, but coordinator is not"),
        (("auto", 2, 0), "num_processes and process_id are given, but coordinator is 'auto'"),
        (("somewhere", 2, 0), "coordinator is 'somewhere', expected HOST:PORT or auto"),
        (("somewhere:99999", 2, 0), "coordinator is 'somewhere:99999', expected HOST:PORT or auto"),
        (("localhost:1234", 2, None), "so process_id must be given too"),
        (("localhost:1234", 2, 2), "process_id is 2, expected 0 to 1"),
    ],
)
def test_validate_distributed_args_rejects_inconsistent_arguments(arguments, message):
    with pytest.raises(ConfigError, match=message):
        multihost.validate_distributed_args(*arguments)
    with pytest.raises(ConfigError, match=message):
        multihost.initialize(*arguments)


@pytest.mark.parametrize(
    ("error", "multiprocess", "expected"),
    [
        (ValueError("UNKNOWN: Gloo AllGather failed: Connection reset by peer"), True, True),
        (jax.errors.JaxRuntimeError("UNAVAILABLE: Task 1 has died"), True, True),
        (ValueError("UNKNOWN: a failure in a single process"), False, False),
        (jax.errors.JaxRuntimeError("without a status"), True, True),
        (ValueError("NO STATUS: an error of the program itself"), True, False),
    ],
)
def test_exit_on_error_reports_a_peer_failure(error, multiprocess, expected, monkeypatch, capsys):
    monkeypatch.setattr(multihost, "is_multiprocess", lambda: multiprocess)
    monkeypatch.setattr(command_line, "exit_process", sys.exit)
    with (
        pytest.raises(SystemExit if expected else type(error)) as raised,
        command_line.exit_on_error(),
    ):
        raise error
    assert multihost.is_peer_failure(error) == expected
    if expected:
        assert raised.value.code == 1
    stderr = " ".join(capsys.readouterr().err.split())
    assert ("another process of the run has ended" in stderr and str(error) in stderr) == expected


def test_initialize_auto_is_rejected_without_a_cluster():
    done = subprocess.run(
        [sys.executable, "-m", "experiments.parabola", "--coordinator", "auto"],
        capture_output=True,
        text=True,
        cwd=ROOT,
        timeout=120,
    )
    assert done.returncode == 1
    stderr = " ".join(done.stderr.split())
    assert "coordinator is 'auto', but jax.distributed could not be initialized" in stderr
