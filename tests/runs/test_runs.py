"""Runs as a user sees them: command lines, folders, messages, exit statuses."""

import json
import re
import signal
import subprocess
import sys

import jax
import numpy as np
import pytest
from matplotlib import image as mpimg

from experiments import mnist_cnn, sample
from jaxgan.data.image_datasets import Images, Split
from jaxgan.runs import image_runner, loading, run_dir, runner
from jaxgan.training import metric_log
from tests.helpers import toy_experiment
from tests.helpers.networks import assert_same_bits

pytestmark = pytest.mark.usefixtures("offline")


def toy(command, workdir, *arguments, dataset="digits"):
    sets = () if dataset is None else ("--dataset", dataset)
    return command(
        toy_experiment.main,
        *sets,
        "--workdir",
        workdir,
        "--batch-size",
        64,
        "--block",
        50,
        *arguments,
    )


def test_a_run_from_start_to_finish(command, tmp_path):
    workdir = tmp_path / "run"
    status, said, complained = toy(command, workdir, "--steps", 120)
    assert status == 0
    assert complained == ""
    lines = said.splitlines()
    assert lines[0] == "Data: digits, 1,797 images"
    assert lines[1].startswith(
        "Run: 120 steps of 64 samples (926 an epoch, 33 times through the set), about a minute"
    )
    assert "The documented run has 23,150 steps" in lines[1]
    assert re.match(
        r"epoch 1/1  step 50/120  [\d.]+ steps/s  0:00:0\d left  loss D [\d.]+ G [\d.]+ D\(x\) ",
        lines[2],
    )
    assert any(line.startswith("Finished at step 120.") for line in lines)
    kept = {path.name for path in workdir.iterdir()}
    parabolas, mixtures = {"parabola.gif", "distance.json"}, {"mixture.gif", "scores.json"}
    evaluations = {"scores.jsonl", "scores.png", "evaluation.json", "nearest.png"}
    assert kept == set(run_dir.RUN_FILES) - parabolas - mixtures - evaluations | {".lock"}
    assert sorted(p.name for p in (workdir / "samples").iterdir()) == [
        "000000.npy",
        "000000.png",
        "000120.npy",
        "000120.png",
    ]
    record = json.loads((workdir / "config.json").read_text())
    assert record["experiment"] == "toy_experiment"
    assert record["config"]["dataset"] == "digits"
    assert record["data"] == {"name": "digits", "images": 1797, "shape": [28, 28, 1]}
    assert record["versions"]["jax"] == jax.__version__
    assert len(metric_log.read_columns(workdir / "metrics.jsonl")["step"]) == 120

    status, said, _ = toy(command, workdir, "--steps", 120)
    assert status == 0
    assert "Finished at step 120." in said
    assert "epoch 1/1" not in said


def test_pictures_show_the_fixed_samples(command, tmp_path):
    toy(command, tmp_path, "--steps", 60)
    pixels = np.load(tmp_path / "samples" / "000060.npy")
    assert pixels.shape == (64, 28, 28, 1)
    assert pixels.dtype == np.uint8
    run = loading.load_run(tmp_path)
    from jaxgan.data.sources import to_pixels
    from jaxgan.training.rng import make_rng_streams

    np.testing.assert_array_equal(
        to_pixels(run.gan.sample(run.state, make_rng_streams(0).sample, 64)), pixels
    )
    picture = np.round(255 * mpimg.imread(tmp_path / "samples" / "000060.png")[..., 0])
    first = picture[-(8 * 60 - 4) :][:56:2, :56:2]  # each pixel is drawn two wide
    np.testing.assert_array_equal(first, pixels[0, ..., 0])


def test_interrupted_and_going_on_ends_with_the_same_bits(command, tmp_path, monkeypatch):
    toy(command, tmp_path / "whole", "--steps", 200)
    original = runner.progress_reporter

    def pressing(console):
        context = original(console)
        report = context.__enter__()

        class Pressing:
            def __enter__(self):
                return lambda now: (
                    report(now),
                    now.step == 100 and signal.raise_signal(signal.SIGINT),
                )

            def __exit__(self, *exception):
                return context.__exit__(*exception)

        return Pressing()

    with monkeypatch.context() as patch:
        patch.setattr(runner, "progress_reporter", pressing)
        status, said, complained = toy(command, tmp_path / "parts", "--steps", 200, "--overwrite")
    assert status == 130
    assert "press Ctrl-C again to stop at once" in complained
    last = said.splitlines()[-1]
    assert re.match(
        r"Stopped at step 100 of 200; all is saved. To go on: \S*python -m toy_experiment --dataset digits",
        last,
    )
    assert "--overwrite" not in last
    assert toy(command, tmp_path / "parts", "--steps", 200)[0] == 0
    parts, whole = (loading.load_run(tmp_path / name) for name in ("parts", "whole"))
    assert parts.step == whole.step == 200
    assert_same_bits(parts.state, whole.state)
    for name in (
        "metrics.jsonl",
        "samples/000200.npy",
        "samples/000200.png",
        "losses.png",
        "progress.png",
    ):
        assert (tmp_path / "parts" / name).read_bytes() == (
            tmp_path / "whole" / name
        ).read_bytes(), name


HOLDER = """
import sys
from pathlib import Path

from jaxgan.training.workdir_lock import alone_in

with alone_in(Path(sys.argv[1])):
    print("in", flush=True)
    sys.stdin.read()
"""


def test_one_process_at_a_time(command, tmp_path):
    toy(command, tmp_path, "--steps", 50)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    pipes = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
    with subprocess.Popen([sys.executable, "-c", HOLDER, str(tmp_path)], **pipes) as holder:
        assert holder.stdout.readline() == b"in\n"
        for options in ((), ("--overwrite",)):
            status, _, complained = toy(command, tmp_path, "--steps", 60, *options)
            assert status == 1
            assert f"another process is training in {tmp_path}" in complained
        assert before == {path: path.read_bytes() for path in before}
        holder.kill()  # a dead one is not in the way
    assert toy(command, tmp_path, "--steps", 60)[0] == 0


def test_other_settings_are_refused_with_their_names(command, tmp_path):
    toy(command, tmp_path, "--steps", 50)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    status, _, complained = toy(command, tmp_path, "--steps", 50, "--width", 8, "--seed", 3)
    assert status == 1
    assert "holds a run with other settings" in complained
    assert "width: 16 in the run, 8 now" in complained
    assert "seed: 0 in the run, 3 now" in complained
    assert "--overwrite" in complained
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    others = (
        "--batch-size",
        32,
        "--d-steps",
        2,
        "--g-steps",
        2,
        "--order",
        "g_first",
        "--no-share-noise",
    )
    status, _, complained = toy(
        command, tmp_path, "--steps", 50, "--precision", "bf16", *others, dataset="mnist"
    )
    assert status == 1  # without looking for the data
    for name in (
        "batch_size: 64",
        "d_steps: 1",
        "g_steps: 1",
        "order: 'd_first'",
        "share_noise: True",
    ):
        assert f"{name} in the run" in complained
    assert "precision: 'float32' in the run, 'bf16' now" in complained
    assert "dataset: 'digits' in the run, 'mnist' now" in complained
    status, _, _ = toy(command, tmp_path, "--steps", 100, "--epochs", 3)  # these are free
    assert status == 0
    assert json.loads((tmp_path / "config.json").read_text())["config"]["steps"] == 100


def test_overwrite_starts_anew_and_removes_nothing_of_the_users(command, tmp_path):
    toy(command, tmp_path, "--steps", 100)
    (tmp_path / "notes.txt").write_text("mine")
    status, _, _ = toy(command, tmp_path, "--steps", 50, "--width", 8, "--overwrite")
    assert status == 0
    assert loading.load_run(tmp_path).step == 50
    assert len(metric_log.read_columns(tmp_path / "metrics.jsonl")["step"]) == 50
    assert (tmp_path / "notes.txt").read_text() == "mine"
    (tmp_path / "config.json").unlink()
    status, _, complained = toy(command, tmp_path, "--steps", 60)
    assert status == 1
    assert "has checkpoints but no config.json" in complained
    mine = tmp_path / "another" / "samples"  # never a run
    mine.mkdir(parents=True)
    (mine / "photo.jpg").write_text("mine")
    assert toy(command, mine.parent, "--steps", 50, "--overwrite")[0] == 0
    assert (mine / "photo.jpg").read_text() == "mine"


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        ("--devices", 3, "devices is 3, expected 1 to 2"),
        ("--d-steps", 10**6, "a train step takes 1000000"),
    ],
)
def test_overwrite_removes_nothing_for_a_run_that_cannot_be(command, tmp_path, option, value, said):
    toy(command, tmp_path, "--steps", 50)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    status, _, complained = toy(command, tmp_path, "--steps", 50, "--overwrite", option, value)
    assert status == 1
    assert said in complained
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}


def test_folders_that_cannot_be_used_are_refused(command, tmp_path):
    (tmp_path / "file").write_text("mine")
    status, _, complained = toy(command, tmp_path / "file", "--steps", 50)
    assert status == 1
    assert complained.startswith("error:")
    assert str(tmp_path / "file") in complained
    assert (tmp_path / "file").read_text() == "mine"


def test_without_a_dataset_the_embedded_digits_stand_in_and_stay(command, tmp_path):
    status, said, _ = toy(command, tmp_path, "--steps", 50, dataset=None)
    assert status == 0
    first = said.splitlines()[0]
    assert first.startswith("Data: the 1,797 embedded digits, because MNIST cannot be had.")
    assert "put its four files into ~/jaxgan_data/downloads/manual/mnist" in first
    assert "no network in tests" in said.splitlines()[1]
    assert json.loads((tmp_path / "config.json").read_text())["config"]["dataset"] == "digits"
    status, said, _ = toy(command, tmp_path, "--steps", 60, dataset=None)
    assert status == 0
    assert said.splitlines()[0] == "Data: digits, 1,797 images"
    status, _, complained = toy(command, tmp_path, "--steps", 60, dataset="mnist")
    assert status == 1
    assert "mnist" in complained


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ("mnist", "train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz"),
        ("mnits", "Did you mean 'mnist'"),
        ("../x", "is no name of a set"),
    ],
)
def test_a_dataset_that_is_named_is_had_or_refused(command, tmp_path, dataset, message):
    status, _, complained = toy(command, tmp_path / "run", dataset=dataset)
    assert status == 1
    assert complained.startswith("error:")
    assert message in complained
    assert not (tmp_path / "run").exists()


def test_images_that_do_not_fit_are_refused(command, tmp_path, monkeypatch):
    wide = np.zeros((100, 32, 32, 3), np.uint8)
    split = Split(
        "cifar10", 100, lambda rows: Images("cifar10", wide[rows], np.zeros(len(rows), np.int32))
    )
    monkeypatch.setattr(image_runner, "open_split", lambda name, data_dir: split)
    status, _, complained = toy(command, tmp_path / "run", dataset="cifar10")
    assert status == 1
    assert (
        "cifar10 does not fit: the generator makes [28, 28, 1], the data has [32, 32, 3]"
        in complained
    )
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--steps", 0), "steps is 0, expected at least 1"),
        (("--epochs", -1), "epochs is -1"),
        (("--seed", -1), "seed is -1, expected 0 to 4294967295"),
        (("--batch-size", 0), "batch_size is 0"),
        (("--batch-size", 1798), "batch_size is 1798, expected 1 to 1797"),
    ],
)
def test_numbers_out_of_range_are_refused_before_anything_is_written(
    command, tmp_path, arguments, message
):
    status, _, complained = toy(command, tmp_path / "run", *arguments)
    assert status in (1, 2)
    assert message in " ".join(complained.replace("│", "").split())
    assert not (tmp_path / "run").exists()


def test_help_reads_like_documentation_and_typos_get_a_suggestion(command):
    status, said, _ = command(mnist_cnn.main, "--help")
    assert status == 0
    for expected in (
        "A convolutional GAN learns to write digits.",
        "--dataset",
        "python -m experiments.mnist_cnn",
    ):
        assert expected in said
    options = re.findall(r"--([a-z-]+)", said)
    assert {
        "workdir",
        "overwrite",
        "data-dir",
        "epochs",
        "steps",
        "batch-size",
        "seed",
        "precision",
    } <= set(options)
    status, said, complained = command(mnist_cnn.main, "--epoch", 3)
    assert status == 2
    assert "--epochs" in said + complained


def test_samples_of_a_run(command, tmp_path, monkeypatch):
    workdir = tmp_path / "run"
    toy(command, workdir, "--steps", 60)
    toy(command, workdir, "--steps", 70)
    arrays = tmp_path / "new" / "samples.npy"
    monkeypatch.setattr(
        image_runner, "open_split", lambda *args: pytest.fail("sampling needs no data")
    )
    assert command(sample.main, workdir, "--num", 5, "--out", arrays)[0] == 0
    samples = np.load(arrays)
    assert samples.shape == (5, 28, 28, 1)
    assert samples.dtype == np.float32
    assert np.abs(samples).max() <= 1
    run = loading.load_run(workdir)
    np.testing.assert_array_equal(samples, run.gan.sample(run.state, jax.random.key(0), 5))

    def other(*arguments):
        command(sample.main, workdir, "--num", 5, "--out", tmp_path / "other.npy", *arguments)
        return np.load(tmp_path / "other.npy")

    np.testing.assert_array_equal(other(), samples)
    assert not np.array_equal(other("--seed", 1), samples)
    assert not np.array_equal(other("--step", 60), samples)
    walk = other("--interpolate", "--num", 16)
    apart = np.abs(np.diff(walk, axis=0)).mean((1, 2, 3))
    assert walk.shape == (16, 28, 28, 1)
    assert apart.max() < 0.5 * np.abs(samples[0] - samples[1]).mean()
    for name in ("samples.png", "walk.gif"):
        assert command(sample.main, workdir, "--num", 16, "--out", tmp_path / name)[0] == 0
        assert mpimg.imread(tmp_path / name).std() > 0


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--num", 0), "num is 0"),
        (("--out", "x.jpg"), "out is x.jpg, expected a name that ends in .png, .gif or .npy"),
        (("--step", 3), "has no checkpoint of step 3, only of [50]"),
    ],
)
def test_samples_that_cannot_be_drawn(command, tmp_path, arguments, message):
    toy(command, tmp_path, "--steps", 50)
    status, _, complained = command(sample.main, tmp_path, *arguments)
    assert status == 1
    assert message in complained


def test_folders_that_hold_no_run(command, tmp_path):
    status, _, complained = command(sample.main, tmp_path / "none")
    assert status == 1
    assert "holds no run: there is no config.json" in complained
    for damaged in ('{"experi', "3", '{"config": {}}', "\0"):
        (tmp_path / "config.json").write_text(damaged)
        status, _, complained = command(sample.main, tmp_path)
        assert status == 1
        assert "config.json is damaged" in complained
    toy(command, tmp_path / "run", "--steps", 50)
    record = json.loads((tmp_path / "run" / "config.json").read_text())
    for change, message in (
        (
            {"experiment": "experiments.gone"},
            "was made by experiments.gone, which cannot be imported here",
        ),
        ({"experiment": "json"}, "was made by json, which cannot be imported here"),
        (
            {"config": record["config"] | {"depth": 3}},
            "settings that this release does not know: depth",
        ),
    ):
        (tmp_path / "run" / "config.json").write_text(json.dumps(record | change))
        status, _, complained = command(sample.main, tmp_path / "run")
        assert status == 1
        assert message in complained


def test_a_terminal_gets_a_bar(command, tmp_path, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    status, said, _ = toy(command, tmp_path, "--steps", 100)
    assert status == 0
    for part in ("epoch 1/1", "━", "steps/s", "0:00:00 left", " G ", "D(x)", "D(G(z))"):
        assert part in said
