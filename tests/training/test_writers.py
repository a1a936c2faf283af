"""Writers: what TensorBoard and W&B read back, resuming, and writers that fail."""

import json

import numpy as np
import pytest

from jaxgan.errors import ConfigError, DataError
from jaxgan.training import Callbacks, TrainOptions, find_writers, read_columns, train
from jaxgan.training.dashboards import read_wandb_record
from jaxgan.training.writers import block_scalars
from tests.helpers.dashboards import read_tensorboard, read_wandb
from tests.helpers.networks import tiny_gan, tiny_source

SOURCE, GAN = tiny_source(), tiny_gan()  # 5 train steps per epoch
TENSORBOARD = find_writers(["tensorboard"])
BLOCK_ENDS = [3, 5, 8, 10, 12]


class StopError(Exception):
    """Ends a run in the middle of an epoch, with records after the last checkpoint."""


class MemoryWriter:
    """Keeps the records in a list; fails in the methods that are named."""

    def __init__(self, records, failing=()):
        self.records, self.failing = records, failing

    def __call__(self, workdir, step, config):
        self.text(step, config)
        return self

    def _add(self, method, *args):
        if method in self.failing:
            raise OSError("no space left")
        self.records.append((method, *args))

    def scalars(self, step, values):
        self._add("scalars", step, values)

    def images(self, step, images):
        self._add("images", step, images)

    def text(self, step, texts):
        self._add("text", step)

    def flush(self):
        self._add("flush")

    def close(self):
        self._add("close")


def draw(state, key, step):
    return {"samples": np.full((4, 6, 3), step, np.uint8)}


def run(workdir, steps=12, writers=TENSORBOARD, **callbacks):
    """Trains the tiny GAN in blocks of 3 train steps, with scores after every epoch."""
    callbacks = {
        "progress": None,
        "probe": lambda state, key: {"count": state.g.step, "vector": np.zeros(2)},
        "evaluate": lambda state, key: {"distance": float(state.g.step)},
        "draw": draw,
    } | callbacks
    options = TrainOptions(steps=steps, steps_per_block=3)
    return train(GAN, SOURCE, workdir, options, Callbacks(writers=writers, **callbacks))


def stop_at_8(progress):
    if progress.step == 8:
        raise StopError


def check_records(workdir, records):
    """Asserts that scalars and images are those of an uninterrupted run of 12 train steps."""
    assert [step for step, _ in records["samples"]] == [0, 5, 10, 12]
    assert records["scores/distance"] == [(5, 5), (10, 10), (12, 12)]
    assert records["probes/count"] == [(0, 0), (5, 5), (10, 10)]
    assert "probes/vector" not in records
    assert [step for step, _ in records["timing/steps_per_second"]] == BLOCK_ENDS
    losses = read_columns(workdir / "metrics.jsonl")["d_loss"]
    starts = [0, *BLOCK_ENDS[:-1]]
    means = [losses[start:end].mean() for start, end in zip(starts, BLOCK_ENDS, strict=True)]
    steps, values = zip(*records["metrics/d_loss"], strict=True)
    assert list(steps) == BLOCK_ENDS
    np.testing.assert_allclose(values, means, rtol=1e-6)


def test_tensorboard_of_a_resumed_run_has_no_gaps_and_no_doubles(tmp_path):
    writers = find_writers(["tensorboard"])
    with pytest.raises(StopError):
        run(tmp_path, writers=writers, progress=stop_at_8)
    # As after a kill: the records of step 5 had not been flushed.
    path = tmp_path / "writers.json"
    record = json.loads(path.read_text())
    assert record["tensorboard"] == {"scalars": 8, "images": 5}
    path.write_text(json.dumps(record | {"tensorboard": {"scalars": 3, "images": 0}}))
    run(tmp_path, writers=writers)

    records = read_tensorboard(tmp_path)
    check_records(tmp_path, records)
    assert [size for _, size in records["samples"]] == [(6, 4)] * 4
    (first, text), (second, _) = records["config/text_summary"]
    assert (first, second) == (0, 4)
    assert '"steps": 12' in text


@pytest.mark.parametrize("text", ["", "[]", '{"id": "abc"}', '{"id": "abc", "step": null}'])
def test_wandb_names_a_corrupt_record(tmp_path, text):
    path = tmp_path / "wandb.json"
    path.write_text(text)
    with pytest.raises(DataError, match=r"wandb\.json is corrupt .*; remove it to send the run"):
        read_wandb_record(path)
    path.write_text('{"id": "abc", "step": 20}')
    assert read_wandb_record(path) == ("abc", 20)


@pytest.mark.stress
def test_wandb_of_a_resumed_run_has_no_gaps_and_no_doubles(tmp_path, monkeypatch):
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    writers = find_writers(["wandb"])
    messages = []
    with pytest.raises(StopError):
        run(tmp_path, writers=writers, progress=stop_at_8, log=messages.append)
    run(tmp_path, writers=writers, log=messages.append)
    # W&B starts a process, which may time out on a busy machine; the writer then ends.
    assert not [text for text in messages if text.startswith("The writer")]
    ids, records = read_wandb(tmp_path)
    assert ids == {json.loads((tmp_path / "wandb.json").read_text())["id"]}
    records["samples"] = records["samples/path"]
    check_records(tmp_path, records)


def test_writers_that_are_added_later_receive_the_whole_run(tmp_path):
    run(tmp_path, 5, writers={})
    run(tmp_path)
    records = read_tensorboard(tmp_path)
    records["samples"].insert(0, (0, None))  # images of earlier steps are not in the logs
    check_records(tmp_path, records)


def test_run_that_starts_over_replaces_the_records(tmp_path):
    with pytest.raises(StopError):
        run(tmp_path, steps=3, progress=lambda progress: stop_at_8(progress._replace(step=8)))
    for path in (tmp_path / "checkpoints").iterdir():
        path.rename(tmp_path / path.name)
    run(tmp_path)
    check_records(tmp_path, read_tensorboard(tmp_path))


def test_writers_that_fail_are_reported_once_and_training_continues(tmp_path):
    methods, intact, messages = ["text", "scalars", "images", "flush", "close"], [], []
    writers = {name: MemoryWriter([], {name}) for name in methods}
    _, step = run(tmp_path, writers=writers | {"mine": MemoryWriter(intact)}, log=messages.append)
    assert step == 12
    reports = [text for text in messages if text.startswith("The writer")]
    assert [report.split()[2] for report in reports] == methods
    for report in reports:
        assert "failed and is disabled; training continues (OSError: no" in report
    assert [row[1] for row in intact if row[0] == "images"] == [0, 5, 10, 12]
    assert intact[-2:] == [("flush",), ("close",)]


def test_block_scalars_are_means():
    rows = [{"d_loss": 1.0, "d_finite": True}, {"d_loss": 3.0, "d_finite": False}]
    assert block_scalars(rows, {"steps": 2, "seconds": 0.5}) == {
        "metrics/d_loss": 2.0,
        "metrics/d_finite": 0.5,
        "timing/steps_per_second": 4.0,
    }


def test_find_writers_names_the_extra(monkeypatch):
    with pytest.raises(ConfigError, match="'mlflow' is unknown, expected tensorboard or wandb"):
        find_writers(["mlflow"])
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None)
    with pytest.raises(ConfigError, match=r"needs .* wandb; .*pip install 'jaxgan\[wandb\]'"):
        find_writers(["wandb"])


def test_callbacks_refuse_writers_that_are_not_functions():
    with pytest.raises(ConfigError, match="writer mine"):
        Callbacks(writers={"mine": 3})  # pyright: ignore[reportArgumentType]


def test_command_line_logs_to_tensorboard(train_toy, tmp_path):
    status, _, error = train_toy(tmp_path, "--steps", 3, "--log", "tensorboard")
    assert (status, error) == (0, "")
    records = read_tensorboard(tmp_path)
    assert [step for step, _ in records["samples"]] == [0, 3]
    assert [step for step, _ in records["metrics/g_loss"]] == [3]
    assert '"experiment": "tests.helpers.toy_experiment"' in records["config/text_summary"][0][1]
