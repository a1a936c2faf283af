"""When a workdir may be used, resumed or overwritten."""

import json
import shutil
import subprocess
import sys

import pytest

from jaxgan.runs import run_dir
from jaxgan.runs.loading import load_run
from jaxgan.training import read_columns
from tests.helpers import toy_experiment
from tests.helpers.files import read_files

LOCK_WORKDIR = """
import sys
from pathlib import Path

from jaxgan.training.workdir_lock import lock_workdir

with lock_workdir(Path(sys.argv[1])):
    print("locked", flush=True)
    sys.stdin.read()
"""


@pytest.mark.stress
def test_lock_workdir_refuses_a_second_process(train_toy, tmp_path):
    train_toy(tmp_path, "--steps", 50)
    before = read_files(tmp_path)
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", LOCK_WORKDIR, str(tmp_path)], **pipes) as process:
        assert process.stdout.readline() == b"locked\n"
        for options in ((), ("--overwrite",)):
            status, _, error = train_toy(tmp_path, "--steps", 60, *options)
            assert status == 1
            assert f"another process is training in {tmp_path}" in error
        assert read_files(tmp_path) == before
        process.kill()  # the lock of a dead process does not count
    assert train_toy(tmp_path, "--steps", 60)[0] == 0


def test_find_existing_run_refuses_other_settings_and_names_them(train_toy, tmp_path):
    train_toy(tmp_path, "--steps", 50)
    before = read_files(tmp_path)
    status, _, error = train_toy(tmp_path, "--steps", 50, "--width", 8, "--seed", 3)
    assert status == 1
    assert "contains a run with other settings" in error
    assert "width: 16 in the run, 8 now" in error
    assert "seed: 0 in the run, 3 now" in error
    assert "--overwrite" in error
    assert read_files(tmp_path) == before
    options = ("--batch-size", 32, "--d-steps", 2, "--g-steps", 2, "--update-order", "g_first")
    options += ("--no-share-noise", "--ema-half-life", 10.0, "--latent-dim", 7)
    options += ("--precision", "bf16", "--num-seeds", 2)
    # The data set is not opened: it is not available here.
    status, _, error = train_toy(tmp_path, "--steps", 50, *options, dataset="mnist")
    assert status == 1
    for line in (
        "batch_size: 64 in the run, 32 now",
        "d_steps: 1 in the run, 2 now",
        "g_steps: 1 in the run, 2 now",
        "update_order: 'd_first' in the run, 'g_first' now",
        "share_noise: True in the run, False now",
        "ema_half_life: None in the run, 10.0 now",
        "latent_dim: 100 in the run, 7 now",
        "precision: 'float32' in the run, 'bf16' now",
        "num_seeds: None in the run, 2 now",
        "dataset: 'digits' in the run, 'mnist' now",
    ):
        assert line in error


@pytest.mark.stress
def test_find_existing_run_accepts_other_lengths_and_schedules(train_toy, tmp_path):
    train_toy(tmp_path, "--steps", 50)
    options = ("--epochs", 3, "--keep-every", 70, "--num-devices", 2, "--on-nonfinite", "skip")
    status, _, error = train_toy(tmp_path, "--steps", 100, "--steps-per-block", 30, *options)
    assert (status, error) == (0, "")
    config = json.loads((tmp_path / "config.json").read_text())["config"]
    assert (config["steps"], config["keep_every"], config["steps_per_block"]) == (100, 70, 30)


def test_changeable_fields_are_fields_of_the_experiments():
    from experiments import parabola

    names = toy_experiment.Config.__dataclass_fields__ | parabola.Config.__dataclass_fields__
    assert set(run_dir.CHANGEABLE_ON_RESUME) <= names.keys()
    assert run_dir.NOT_RECORDED.keys() <= names.keys()


def test_begin_run_dir_refuses_other_data_of_the_same_name(train_toy, tmp_path):
    train_toy(tmp_path, "--steps", 50)
    record = json.loads((tmp_path / "config.json").read_text())
    record["data"]["num_images"] = 7
    (tmp_path / "config.json").write_text(json.dumps(record))
    status, _, error = train_toy(tmp_path, "--steps", 60)
    assert status == 1
    assert f"{tmp_path} contains a run on other data:\n" in error
    assert "num_images: 7 in the run, 1797 now" in error
    assert "shape" not in error


def test_overwrite_starts_anew_and_keeps_files_that_are_not_of_the_run(train_toy, tmp_path):
    train_toy(tmp_path, "--steps", 100)
    (tmp_path / "notes.txt").write_text("mine")
    status, _, _ = train_toy(tmp_path, "--steps", 50, "--width", 8, "--overwrite")
    assert status == 0
    assert load_run(tmp_path).step == 50
    assert len(read_columns(tmp_path / "metrics.jsonl")["step"]) == 50
    assert (tmp_path / "notes.txt").read_text() == "mine"


def test_overwrite_of_a_directory_with_other_files_is_refused(train_toy, tmp_path):
    samples = tmp_path / "samples"
    samples.mkdir()
    (samples / "photo.jpg").write_text("mine")
    status, _, error = train_toy(tmp_path, "--steps", 50, "--overwrite")
    assert status == 1
    assert f"{tmp_path} contains no run, but other files (samples)" in error
    assert (samples / "photo.jpg").read_text() == "mine"


@pytest.mark.parametrize(
    "missing",
    [
        "config.json",
        pytest.param("checkpoints", marks=pytest.mark.stress),
        pytest.param("metrics.jsonl", marks=pytest.mark.stress),
    ],
)
def test_overwrite_starts_anew_whatever_is_missing(train_toy, tmp_path, missing):
    train_toy(tmp_path, "--steps", 50)
    path = tmp_path / missing
    shutil.rmtree(path) if path.is_dir() else path.unlink()
    assert train_toy(tmp_path, "--steps", 20, "--overwrite", "--seed", 7)[0] == 0
    assert read_columns(tmp_path / "metrics.jsonl")["step"].tolist() == list(range(1, 21))
    assert load_run(tmp_path).config["config"]["seed"] == 7


def test_find_existing_run_refuses_checkpoints_without_config(train_toy, tmp_path):
    train_toy(tmp_path, "--steps", 50)
    (tmp_path / "config.json").unlink()
    status, _, error = train_toy(tmp_path, "--steps", 60)
    assert status == 1
    assert "has checkpoints but no config.json" in error
    assert train_toy(tmp_path, "--steps", 20, "--overwrite")[0] == 0
    assert load_run(tmp_path).step == 20


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--num-devices", 3, "num_devices is 3, expected 1 to 2"),
        ("--d-steps", 10**6, "a train step takes 1000000"),
    ],
)
def test_overwrite_removes_nothing_if_the_new_run_cannot_start(
    train_toy, tmp_path, option, value, message
):
    train_toy(tmp_path, "--steps", 50)
    before = read_files(tmp_path)
    status, _, error = train_toy(tmp_path, "--steps", 50, "--overwrite", option, value)
    assert status == 1
    assert message in error
    assert read_files(tmp_path) == before


def test_workdir_that_is_a_file_is_refused(train_toy, tmp_path):
    (tmp_path / "file").write_text("mine")
    status, _, error = train_toy(tmp_path / "file", "--steps", 50)
    assert status == 1
    assert error.startswith("error:")
    assert str(tmp_path / "file") in error
    assert (tmp_path / "file").read_text() == "mine"


def test_workdir_of_another_experiment_is_refused(train_toy, tmp_path):
    train_toy(tmp_path, "--steps", 50)
    record = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps(record | {"experiment": "experiments.other"}))
    status, _, error = train_toy(tmp_path, "--steps", 60)
    assert status == 1
    assert "experiment: 'experiments.other' in the run, 'tests.helpers.toy_experiment' now" in error


def test_workdir_of_a_run_from_code_is_refused(train_toy, tmp_path):
    train_toy(tmp_path, "--steps", 50)
    record = json.loads((tmp_path / "config.json").read_text())
    for name in ("experiment", "config", "data"):
        record.pop(name)
    (tmp_path / "config.json").write_text(json.dumps(record))
    status, _, error = train_toy(tmp_path, "--steps", 60)
    assert status == 1
    assert "config.json has no experiment and no config and no data" in error
