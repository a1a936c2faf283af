"""A run from its first message to its last: files, messages, exit statuses, resuming."""

import json
import re
import signal

import jax
import numpy as np
import pytest
from matplotlib import image as mpimg

from experiments import mnist_cnn
from jaxgan.data.sources import to_pixels
from jaxgan.runs import run_dir, runner
from jaxgan.runs.config import AdamConfig
from jaxgan.runs.loading import load_run
from jaxgan.training import Checkpoints, make_rng_streams, read_columns
from tests.helpers import toy_experiment
from tests.helpers.networks import assert_same_bits

SAMPLE_FILES = tuple(f"{step:06}.{kind}" for step in (0, 100, 120) for kind in ("npy", "png"))
# Written by other experiments, with --evaluate-every, by `jaxgan evaluate` or `jaxgan export`, for
# corrupt checkpoints, by the writers of logs, or without --no-report.
OTHER_FILES = {
    "quarantine",
    "samples.png",
    *("parabola.gif", "distance.json", "mixture.gif", "scores.json"),
    *("scores.jsonl", "scores.png", "evaluation.json", "nearest.png", "nearest.npy"),
    *("real_scores.json", "report.html", "stability.json", "stability.gif", "stability.png"),
    *("export", "tensorboard", "wandb", "wandb.json", "writers.json"),
}


def test_run_training_writes_every_file_and_says_what_it_does(train_toy, tmp_path):
    workdir = tmp_path / "run"
    status, output, error = train_toy(workdir, "--steps", 120)
    assert (status, error) == (0, "")
    lines = output.splitlines()
    assert lines[0] == "Data: digits, 1,797 images"
    assert lines[1] == "The labels are not used; --conditional trains on them."
    assert lines[2] == (
        "Run: 120 train steps (926 per epoch, 33 passes through the data), batches of 64 samples, "
        f"in {workdir}. The default run has 23,150 train steps."
    )
    progress = (
        r"epoch 1/1  step 50/120  [\d.]+ steps/s  0:00:0\d left  loss D [\d.]+ G [\d.]+ D\(x\) "
    )
    assert lines[3] == f"Starting a new run in {workdir}."
    assert re.match(progress, lines[4])
    assert "120 steps are too few to judge the curves; 1,000 are needed." in lines
    finished = next(i for i, line in enumerate(lines) if line.startswith("Finished at step 120."))
    assert re.fullmatch(rf"  \S+ -m jaxgan sample {workdir}", lines[finished + 1])
    names = {path.name for path in workdir.iterdir()}
    assert names == set(run_dir.RUN_FILES) - OTHER_FILES | {".lock"}
    assert sorted(path.name for path in (workdir / "samples").iterdir()) == [*SAMPLE_FILES]
    record = json.loads((workdir / "config.json").read_text())
    assert record["experiment"] == "tests.helpers.toy_experiment"
    assert record["config"]["dataset"] == "digits"
    assert record["data"] == {"name": "digits", "num_images": 1797, "shape": [28, 28, 1]}
    assert record["versions"]["jax"] == jax.__version__
    assert len(read_columns(workdir / "metrics.jsonl")["step"]) == 120


def test_run_training_of_a_finished_run_trains_no_more(train_toy, tmp_path):
    train_toy(tmp_path, "--steps", 60)
    status, output, _ = train_toy(tmp_path, "--steps", 60)
    assert status == 0
    assert "Finished at step 60." in output
    assert "epoch 1/1" not in output


def test_run_training_draws_samples_of_the_same_latent_noise(train_toy, tmp_path):
    train_toy(tmp_path, "--steps", 60)
    pixels = np.load(tmp_path / "samples" / "000060.npy")
    assert pixels.shape == (64, 28, 28, 1)
    assert pixels.dtype == np.uint8
    samples = load_run(tmp_path).sample(make_rng_streams(0).sample, 64)
    np.testing.assert_array_equal(to_pixels(samples), pixels)
    picture = np.round(255 * mpimg.imread(tmp_path / "samples" / "000060.png")[..., 0])
    first = picture[-(8 * 60 - 4) :][:56:2, :56:2]  # each pixel is drawn two wide
    np.testing.assert_array_equal(first, pixels[0, ..., 0])


@pytest.mark.stress
def test_run_training_ends_with_the_same_bits_if_interrupted(train_toy, tmp_path, monkeypatch):
    train_toy(tmp_path / "whole", "--steps", 200)
    original = runner.progress_reporter

    class PressesCtrlC:
        """The progress reporter of a run, during which Ctrl-C is pressed at step 100."""

        def __init__(self):
            self._context = original()

        def __enter__(self):
            report = self._context.__enter__()

            def report_and_press(progress):
                report(progress)
                if progress.step == 100:
                    signal.raise_signal(signal.SIGINT)

            return report_and_press

        def __exit__(self, *exception):
            return self._context.__exit__(*exception)

    with monkeypatch.context() as patch:
        patch.setattr(runner, "progress_reporter", PressesCtrlC)
        status, output, error = train_toy(tmp_path / "parts", "--steps", 200, "--overwrite")
    assert status == 130
    assert "press Ctrl-C again to stop immediately" in error
    last, sample = output.splitlines()[-2:]
    assert sample.endswith(f"jaxgan sample {tmp_path / 'parts'}")
    assert re.match(
        r"Stopped at step 150 of 200; a checkpoint is saved\. Resume with: "
        r"\S+ -m tests\.helpers\.toy_experiment --dataset digits",
        last,
    )
    assert "--overwrite" not in last
    assert train_toy(tmp_path / "parts", "--steps", 200)[0] == 0
    parts, whole = (load_run(tmp_path / name) for name in ("parts", "whole"))
    assert parts.step == whole.step == 200
    assert_same_bits(parts.state, whole.state)
    figures = ("samples/000200.npy", "samples/000200.png", "losses.png", "progress.png")
    for name in ("metrics.jsonl", *figures):
        contents = [(tmp_path / run / name).read_bytes() for run in ("parts", "whole")]
        assert contents[0] == contents[1], name


@pytest.mark.stress
def test_keep_every_keeps_checkpoints_within_an_epoch(train_toy, tmp_path):
    status, _, error = train_toy(tmp_path, "--steps", 200, "--keep-every", 40)
    assert (status, error) == (0, "")
    with Checkpoints(tmp_path / "checkpoints") as checkpoints:
        assert checkpoints.all_steps == [40, 80, 120, 160, 200]
    assert load_run(tmp_path, 80).step == 80


def test_run_training_returns_state_and_step(train_toy, tmp_path, monkeypatch):
    returned = []
    original = toy_experiment.train_on_images
    monkeypatch.setattr(
        toy_experiment,
        "train_on_images",
        lambda *args: returned.append(original(*args)) or returned[0],
    )
    train_toy(tmp_path, "--steps", 50)
    ((state, step),) = returned
    assert step == 50
    assert_same_bits(state, load_run(tmp_path).state)


@pytest.mark.parametrize("steps", [99, 100, 101])
def test_plan_message_gives_the_default_run_if_that_is_longer(tmp_path, steps):
    config = toy_experiment.Config(workdir=tmp_path, steps=steps)
    message = runner.plan_message(config, config.train_options(4), 4, ", 2 passes")
    assert message.startswith(
        f"Run: {steps} train steps (4 per epoch, 2 passes), batches of 128 samples, in {tmp_path}."
    )
    assert ("The default run has 100 train steps." in message) == (steps == 99)  # 25 epochs


def test_default_length_is_none_without_default_steps_and_epochs():
    assert runner.default_length(AdamConfig(), 10) is None
    assert runner.default_length(toy_experiment.Config(), 10) == 250


def test_default_length_is_that_of_the_preset():
    assert runner.default_length(mnist_cnn.Config(epochs=3), 10) == 250
    assert runner.default_length(mnist_cnn.Config.from_preset("quick", epochs=3), 10) == 10
