"""Which data set an experiment on images trains on."""

import json

import numpy as np
import pytest

from jaxgan.data.splits import Images, Split
from jaxgan.runs import image_data, image_evaluation


@pytest.mark.stress
def test_train_on_images_falls_back_to_mnist_5k_and_stays_with_it(train_toy, tmp_path):
    status, output, _ = train_toy(tmp_path, "--steps", 50, dataset=None)
    assert status == 0
    first, second = output.splitlines()[:2]
    assert first == "Data: mnist_5k, 5,000 images, because MNIST is not available."
    manual = tmp_path / "home" / "jaxgan_data" / "downloads" / "manual" / "mnist"
    assert str(manual) in second
    assert json.loads((tmp_path / "config.json").read_text())["config"]["dataset"] == "mnist_5k"
    status, output, _ = train_toy(tmp_path, "--steps", 60, dataset=None)
    assert status == 0
    assert output.splitlines()[0] == "Data: mnist_5k, 5,000 images"
    status, _, error = train_toy(tmp_path, "--steps", 60, dataset="mnist")
    assert status == 1
    assert "dataset: 'mnist_5k' in the run, 'mnist' now" in error


@pytest.mark.parametrize(
    ("dataset", "message"),
    [
        ("mnist", "train-images-idx3-ubyte.gz, train-labels-idx1-ubyte.gz"),
        ("mnits", "Did you mean 'mnist'"),
        ("../x", "x' is neither the name of a data set nor a path"),
    ],
)
def test_dataset_that_is_not_available_is_refused(train_toy, tmp_path, dataset, message):
    status, _, error = train_toy(tmp_path / "run", dataset=dataset)
    assert status == 1
    assert error.startswith("error:")
    assert message in error
    assert not (tmp_path / "run").exists()


def test_check_sample_shape_refuses_images_that_do_not_fit(train_toy, tmp_path, monkeypatch):
    wide = np.zeros((100, 32, 32, 3), np.uint8)
    split = Split(
        "cifar10",
        100,
        lambda rows: Images("cifar10", wide[rows], np.zeros(len(rows), np.int32)),
        lambda: np.zeros(100, np.int32),
    )
    monkeypatch.setattr(image_data, "open_dataset", lambda name, data_dir, **options: split)
    status, _, error = train_toy(tmp_path / "run", dataset="cifar10")
    assert status == 1
    assert (
        "data set cifar10 does not fit: the generator makes [28, 28, 1], the data has [32, 32, 3]"
    ) in error
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("option", "value", "message"),
    [
        ("--d-steps", 10_000, "an epoch has 926 batches, but a train step takes 10000"),
        ("--num-devices", 77, "num_devices is 77"),
        ("--workdir", "file", "file is a file"),
    ],
)
def test_train_on_images_refuses_options_before_it_trains_a_classifier(
    train_toy, tmp_path, monkeypatch, option, value, message
):
    monkeypatch.delattr(image_evaluation, "load_or_train_classifier")
    (tmp_path / "file").write_text("mine")
    value = tmp_path / value if option == "--workdir" else value
    options = ("--steps", 50, "--evaluate-every", 1, option, value)
    status, _, error = train_toy(tmp_path / "run", *options)
    assert status == 1
    assert message in error
    assert not (tmp_path / "run").exists()
