"""Damaged files of a run, and paths of any kind, are used or refused by an error naming them."""

import dataclasses
import importlib
import json
import os
import random
import shutil
from pathlib import Path

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from jaxgan import Callbacks, TrainOptions, load_run, train
from jaxgan.data.image_decoding import format_size, parse_size
from jaxgan.errors import JaxganError
from jaxgan.runs.config import config_from_json
from jaxgan.training import Checkpoints, metric_log
from jaxgan.training.config_file import read_config
from tests.helpers import toy_experiment
from tests.helpers.corruption import damage_file
from tests.helpers.fuzzing import call_or_refuse
from tests.helpers.networks import assert_same_bits, tiny_gan, tiny_source

VALUES = (
    st.none()
    | st.booleans()
    | st.integers(-(10**12), 10**12)
    | st.floats()
    | st.text(max_size=5)
    | st.lists(st.integers(), max_size=2)
)
EXPERIMENTS = ("parabola", "mnist_mlp", "mnist_mlp_bce", "mnist_cnn", "mnist_wgan", "mixture")


@pytest.fixture
def tries(count):
    """Returns hypothesis settings with a number of examples, the second with --full."""
    return lambda few, many: settings(
        max_examples=count(few, many),
        deadline=None,
        derandomize=True,
        suppress_health_check=list(HealthCheck),
    )


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_config_from_json_accepts_or_refuses_any_value(name, tries):
    config_type = importlib.import_module(f"experiments.{name}").Config
    defaults = json.loads(json.dumps(dataclasses.asdict(config_type()), default=str))

    @tries(50, 1_000)
    @given(st.sampled_from([*sorted(defaults), "unknown"]), VALUES)
    def check(field, value):
        found, message = call_or_refuse(config_from_json, config_type, defaults | {field: value})
        if found is None:
            # Some fields are checked together with others, which the message may name instead.
            assert field in message or any(f"{other} is " in message for other in defaults)
            return
        if field in ("workdir", "data_dir"):
            value = str(Path(value))
        if field == "size" and value is not None:
            value = format_size(parse_size(value))
        written = json.loads(json.dumps(dataclasses.asdict(found), default=str))
        assert written == defaults | {field: value}

    check()


def test_logs_with_a_damaged_byte_are_read_or_refused(tries, tmp_path):
    lines = [
        json.dumps({"step": i, "d_loss": 0.5 * i, "d_finite": True, "sketch": [0.25, -1e-3 * i]})
        for i in range(1, 6)
    ]
    content = ("\n".join(lines) + "\n").encode()
    path = tmp_path / "metrics.jsonl"

    places, damaged_bytes = st.integers(0, len(content) - 1), st.integers(0, 255)

    @tries(300, 3_000)
    @given(places, st.sampled_from(b',.0-e"[]{}: ') | damaged_bytes)
    @example(content.index(b".25"), ord(","))  # a list of another length than in the other rows
    def check(place, byte):
        path.write_bytes(content[:place] + bytes([byte]) + content[place + 1 :])
        for read in (
            lambda: metric_log.read_columns(path),
            lambda: metric_log.truncate_after(path, 3),
        ):
            found, message = call_or_refuse(read)
            assert not message or str(path) in message
            assert not found or "step" in found

    check()


@pytest.mark.parametrize("content", [b"", b"\n", b'{"step": 1}\n', b'{"step": 1'])
def test_logs_that_are_nearly_empty_are_read_or_refused(tmp_path, content):
    path = tmp_path / "metrics.jsonl"
    path.write_bytes(content)
    found, message = call_or_refuse(metric_log.read_columns, path)
    assert str(path) in message if found is None else found.keys() <= {"step"}


class AnyPath:
    """A path that is neither a string nor a `pathlib.Path`."""

    def __init__(self, path):
        self._path = str(path)

    def __fspath__(self):
        return self._path


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """A directory with files in the place of directories, and directories in that of files."""
    folder = tmp_path_factory.mktemp("paths")
    (folder / "file").write_text("x")
    (folder / "empty").mkdir()
    (folder / "config" / "config.json").mkdir(parents=True)
    (folder / "checkpoints").mkdir()
    (folder / "checkpoints" / "checkpoints").write_text("x")
    (folder / "log" / "metrics.jsonl").mkdir(parents=True)
    return folder


NAMES = ("file", "file/below", "empty", "missing", "config", "checkpoints", "log", "a b é", "[x]")


@pytest.mark.parametrize("kind", [str, Path, AnyPath])
@pytest.mark.parametrize("name", NAMES)
def test_paths_of_any_kind_are_used_or_refused(folder, tmp_path, kind, name):
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    gan, path = tiny_gan(), kind(tmp_path / name)
    options, quiet = TrainOptions(steps=1), Callbacks(progress=None, log=lambda text: None)
    for function in (
        lambda: load_run(path, gan=gan),
        lambda: read_config(path),
        lambda: metric_log.read_columns(path),
        lambda: Checkpoints(path).__exit__(),
        lambda: train(gan, tiny_source(), path, options, quiet),
    ):
        named = os.fspath(path)
        try:
            function()
        except JaxganError as error:
            named = str(error)
        except OSError as error:
            named = str(error.filename)
        assert os.fspath(path) in named


@pytest.fixture(scope="module")
def runs(tmp_path_factory):
    """The directory of a run of two epochs, and the state of an undamaged one after the third.

    An epoch is one pass through the digits, 28 train steps.
    """
    folder = tmp_path_factory.mktemp("runs")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("jaxgan.runs.image_runner.default_repeats", lambda num: 1)
        for name, steps in (("start", 56), ("whole", 60)):
            options = ("--dataset", "digits", "--workdir", folder / name, "--batch-size", 64)
            words = ("program", *options, "--steps-per-block", 50, "--steps", steps)
            patch.setattr("sys.argv", [*map(str, words)])
            toy_experiment.main()
        yield folder / "start", load_run(folder / "whole").state


def resume(train_toy, workdir, expected_state, damage):
    """Resumes a damaged run; returns whether it was refused."""
    status, output, error = train_toy(workdir, "--steps", 60)
    if status == 0:
        assert_same_bits(load_run(workdir).state, expected_state)
        return False
    assert status == 1, damage
    assert error.startswith("error: "), damage
    assert str(workdir) in error, f"{damage}: {error}"
    assert "Traceback" not in output + error, damage
    return True


DAMAGES = {
    "empty samples": lambda run: (run / "samples" / "000028.npy").write_bytes(b""),
    "text as samples": lambda run: (run / "samples" / "000028.npy").write_text("not an array"),
    "empty figure": lambda run: (run / "samples" / "000028.png").write_bytes(b""),
    "no samples": lambda run: shutil.rmtree(run / "samples"),
    "empty progress": lambda run: (run / "progress.png").write_bytes(b""),
    "empty findings": lambda run: (run / "findings.json").write_bytes(b""),
    "truncated log": lambda run: truncate(run / "metrics.jsonl"),
    "truncated probes": lambda run: truncate(run / "probes.jsonl"),
    "empty log": lambda run: (run / "metrics.jsonl").write_bytes(b""),
    "no log": lambda run: (run / "metrics.jsonl").unlink(),
    "other samples": lambda run: shutil.copy(run / "progress.png", run / "samples" / "000028.npy"),
}


def truncate(path):
    path.write_bytes(path.read_bytes()[:-20])


@pytest.mark.stress
@pytest.mark.parametrize("name", DAMAGES)
def test_resuming_ignores_damaged_figures_and_truncated_logs(train_toy, runs, tmp_path, name):
    start, expected_state = runs
    workdir = tmp_path / "damaged"
    shutil.copytree(start, workdir)
    DAMAGES[name](workdir)
    assert not resume(train_toy, workdir, expected_state, name)


@pytest.mark.stress
def test_resuming_after_random_damage_is_exact_or_refused(train_toy, runs, tmp_path, count):
    start, expected_state = runs
    refused = 0
    for seed in range(count(3, 100)):
        workdir, rng = tmp_path / "damaged", random.Random(seed)
        shutil.copytree(start, workdir)
        checkpoints = workdir / "checkpoints"
        checkpoints.rename(tmp_path / "checkpoints")  # tests/robustness/test_corruption.py
        damage = damage_file(workdir, rng)
        (tmp_path / "checkpoints").rename(checkpoints)
        refused += resume(train_toy, workdir, expected_state, damage)
        shutil.rmtree(workdir)
    print(f"{count(6, 100)} damaged run directories, {refused} refused; the others were resumed")
