"""An experiment on a folder of images: training, resuming, streaming and evaluation."""

import json
import shutil

import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from jaxgan import cli
from jaxgan.data import load_split, open_dataset
from jaxgan.data.sources import from_pixels
from jaxgan.evaluation import (
    NetworkOutputs,
    PretrainedNetwork,
    classifier,
    classifier_training,
    pretrained,
)
from jaxgan.evaluation.scores import LOGIT_SCORES, SCORES
from jaxgan.runs import image_evaluation, image_runner
from jaxgan.training import read_columns

pytestmark = pytest.mark.usefixtures("offline")


@pytest.fixture(scope="module")
def folders(tmp_path_factory):
    """Returns a folder of 210 digits, 30 in each of 7 classes, and a flat one of 70."""
    root, digits = tmp_path_factory.mktemp("pictures"), load_split("digits")
    for label in range(7):
        (root / "digits by class" / f"no. {label}").mkdir(parents=True)
        for i, image in enumerate(digits.images[digits.labels == label][:30]):
            path = root / "digits by class" / f"no. {label}" / f"{i}.PNG"
            Image.fromarray(image[..., 0]).save(path)
    (root / "digits by class" / "notes.txt").touch()
    (root / "flat").mkdir()
    for i, image in enumerate(digits.images[:70]):
        Image.fromarray(image[..., 0]).save(root / "flat" / f"{i}.bmp")
    return root


@pytest.fixture
def train(train_toy, monkeypatch):
    """Returns `train_toy`, with epochs of one pass over the data, also for the classifier."""
    monkeypatch.setattr(image_runner, "default_repeats", lambda num: 1)
    monkeypatch.setattr(classifier_training, "default_repeats", lambda num: 1)
    return train_toy


def read_record(workdir):
    return json.loads((workdir / "config.json").read_text())


def test_folder_trains_resumes_and_evaluates(command, train, folders, tmp_path, count):
    folder, run, data_dir = folders / "digits by class", tmp_path / "run", tmp_path / "data"
    evaluates = count(False, True)  # compiling the scores takes long
    options = ("--data-dir", data_dir, *(("--evaluate-every", 1) if evaluates else ()))
    status, output, error = train(run, "--steps", 3, *options, dataset=folder)
    assert (status, error) == (0, "")
    lines = output.splitlines()
    assert lines[0] == f"Decoding the images of {folder} …"
    counts = "210 images in 7 classes, 28x28, gray; 1 other file skipped"
    assert lines[1] == f"Data: digits_by_class, {counts}"
    assert lines[2] == f"Classes: {', '.join(f'{i} no. {i}' for i in range(7))}"
    record = read_record(run)
    assert record["config"]["dataset"] == record["data"]["path"] == str(folder)
    assert record["data"]["shape"] == [28, 28, 1]
    assert record["data"]["class_names"] == [f"no. {label}" for label in range(7)]
    if evaluates:
        (scores,) = (run / "scores.jsonl").read_text().splitlines()
        assert json.loads(scores)["step"] == 3

    # A resumed run need not be given the data set, and another file that is no image is no change.
    (folder / "more notes.txt").touch()
    status, output, error = train(run, "--steps", 5, *options, dataset=None)
    (folder / "more notes.txt").unlink()
    assert (status, error) == (0, "")
    assert "gray; 2 other files skipped" in output
    assert "Decoding" not in output
    assert read_record(run)["data"] == record["data"]

    if not evaluates:
        return
    status, output, error = command(cli.main, "evaluate", run, "--draws", 2, "--data-dir", data_dir)
    assert (status, error) == (0, "")
    evaluation = json.loads((run / "evaluation.json").read_text())
    assert evaluation["evaluator"]["dataset"] == "digits_by_class"
    assert evaluation["evaluator"]["num_images"] == 210


@pytest.mark.stress
def test_stream_of_a_folder_trains_to_the_same_bits(train, folders, tmp_path):
    for name, options in (("memory", ()), ("stream", ("--stream",))):
        status, _, error = train(tmp_path / name, "--steps", 4, *options, dataset=folders / "flat")
        assert (status, error) == (0, "")
    memory, stream = ((tmp_path / name / "metrics.jsonl") for name in ("memory", "stream"))
    assert memory.read_bytes() == stream.read_bytes()


@pytest.mark.stress
def test_resuming_with_other_images_or_options_is_refused(command, train, folders, tmp_path):
    folder, run = tmp_path / "flat", tmp_path / "run"
    shutil.copytree(folders / "flat", folder)
    options = ("--size", 28)
    assert train(run, "--steps", 2, *options, dataset=folder)[0] == 0
    assert read_record(run)["data"]["size"] == read_record(run)["config"]["size"] == "28x28"
    status, _, error = train(run, "--steps", 4, "--size", "28x28", dataset=f"{folder}/../flat")
    assert (status, error) == (0, "")
    status, _, error = train(run, "--steps", 6, "--channels", 1, dataset=folder)
    assert status == 1
    assert "channels: None in the run, 1 now" in error
    shutil.copy(folder / "0.bmp", folder / "1.bmp")
    status, _, error = train(run, "--steps", 6, *options, dataset=folder)
    assert status == 1
    assert "contains a run on other data" in error
    status, _, error = command(cli.main, "evaluate", run, "--data-dir", tmp_path / "data")
    assert status == 1
    assert f"{folder} has other images or labels than those of the run; restore them" in error


def load_mean_colors():
    """Returns a network in place of EfficientNet; its features are 16 means of each image."""

    def extract(images):
        images = from_pixels(jnp.asarray(images)) if images.dtype == np.uint8 else images
        means = jnp.mean(images.reshape(len(images), 4, 7, 4, 7, -1), axis=(2, 4, 5))
        return NetworkOutputs(means.reshape(len(images), 16), None)

    return PretrainedNetwork("means", "means of parts of an image", extract, "0123")


@pytest.mark.stress
def test_images_without_labels_are_evaluated_with_a_pretrained_network(
    command, train, tmp_path, monkeypatch
):
    monkeypatch.setattr(image_evaluation, "load_efficientnet", load_mean_colors)
    flat, run, options = tmp_path / "flat.npy", tmp_path / "run", ("--data-dir", tmp_path / "data")
    np.save(flat, load_split("digits").images[:240])
    status, _, error = train(run, "--steps", 2, "--evaluate-every", 1, *options, dataset=flat)
    assert (status, error) == (0, "")
    names = set(SCORES) - set(LOGIT_SCORES)
    assert names < read_columns(run / "scores.jsonl").keys()
    status, output, error = command(cli.main, "evaluate", run, *options, "--draws", 2)
    assert (status, error) == (0, "")
    assert output.startswith("Features: means of parts of an image\n")
    assert "3 draws" not in output
    record = json.loads((run / "evaluation.json").read_text())
    assert record["evaluator"]["network"] == {"name": "means", "checksum": "0123"}
    assert record["real_baseline"].keys() == names
    assert all(scores.keys() == names for scores in record["generators"].values())
    status, _, error = command(cli.main, "evaluate", run, *options, "--features", "classifier")
    assert status == 1
    assert "flat has no labels, but a classifier must be trained on labels" in error
    assert "jaxgan evaluate --features efficientnet" in error


def test_images_without_labels_need_an_extra_for_the_evaluation(
    command, train, folders, tmp_path, monkeypatch
):
    """Without it, the evaluation is refused before anything is trained."""
    monkeypatch.setattr(pretrained, "WEIGHTS_PACKAGE", "a_package_that_is_not_installed")
    flat, run = tmp_path / "flat.npy", tmp_path / "run"
    np.save(flat, load_split("digits").images[:240])
    status, _, error = train(run, "--steps", 2, "--evaluate-every", 1, dataset=flat)
    assert status == 1
    assert "pip install 'jaxgan[features]'" in error
    assert not run.exists()


def test_array_trains_and_is_refused_if_it_does_not_fit(train, folders, tmp_path):
    digits = load_split("digits")
    np.savez(tmp_path / "own.npz", images=digits.images[:70, ..., 0], labels=digits.labels[:70])
    status, output, error = train(tmp_path / "run", "--steps", 2, dataset=tmp_path / "own.npz")
    assert (status, error) == (0, "")
    assert "Data: own, 70 images in 10 classes, 28x28, gray" in output.splitlines()
    assert "70 images are few: the discriminator will memorize them. --augment" in output
    np.save(tmp_path / "wide.npy", np.zeros((70, 32, 48, 3), np.uint8))
    status, _, error = train(tmp_path / "wide", "--steps", 2, dataset=tmp_path / "wide.npy")
    assert status == 1
    assert "data set wide does not fit: the generator makes [28, 28, 1]" in error
    assert "python -m experiments.dcgan takes images of other sizes" in error


@pytest.mark.parametrize(
    ("dataset", "options", "message"),
    [
        ("nowhere/at/all", (), "is neither the name of a data set nor a path"),
        ("nowhere/at/all", ("--size", 32), "nowhere/at/all does not exist"),
        ("digits", ("--size", 32), "size is 32x32, but 'digits' is not a folder of images"),
        ("digits", ("--size", "big"), "size is 'big', expected N or HxW"),
    ],
)
def test_data_that_cannot_be_used_is_refused(train, tmp_path, dataset, options, message):
    status, _, error = train(tmp_path / "run", *options, dataset=dataset)
    assert status == 1
    assert message in error
    assert not (tmp_path / "run").exists()


def test_split_train_test_of_a_folder_holds_images_out(folders, tmp_path, monkeypatch):
    data = open_dataset(folders / "digits by class", tmp_path)
    monkeypatch.setattr(classifier, "load_split", lambda *arguments: pytest.fail("a name is used"))
    train, test = classifier.split_train_test(data.read(range(data.num)), tmp_path)
    assert (len(train.images), len(test.images)) == (175, 35)
    assert train.class_names == data.class_names
