"""The comparison on a few images, with and without augmentation."""

import json

import numpy as np
import pytest

from experiments import few_images
from jaxgan import augment, losses, make_gan, models
from tests.experiments.test_comparisons import load_fake_evaluator
from tests.helpers.networks import ADAM, UNIFORM


def test_measure_pixels_finds_borders_and_shifts():
    """Single white pixels at the corners of a square of 4x4 pixels, then at the border."""
    images = np.zeros((4, 9, 9, 1), np.uint8)
    for image, (y, x) in zip(images, [(2, 2), (2, 6), (6, 2), (6, 6)], strict=True):
        image[y, x] = 255
    found = few_images.measure_pixels(images)
    assert found["border"] == 0
    np.testing.assert_allclose(found["spread"], np.sqrt(8), rtol=1e-4)
    np.testing.assert_allclose(
        few_images.measure_pixels(np.full((2, 9, 9, 1), 100, np.uint8))["border"], 100
    )
    images[:, 0, 0] = 64
    assert few_images.measure_pixels(images)["border"] == 64 / 32


def build_mlp(config):
    return make_gan(
        models.MLPGenerator(widths=(8,)),
        models.MLPDiscriminator(widths=(8,)),
        losses.non_saturating,
        ADAM,
        ADAM,
        UNIFORM,
        augment=augment.diff_augment(config.augment or ()),
    )


@pytest.mark.stress
@pytest.mark.usefixtures("offline")
def test_few_images_compares_runs_with_and_without_augmentation(command, tmp_path, monkeypatch):
    monkeypatch.setattr(few_images, "load_evaluator", load_fake_evaluator)
    monkeypatch.setattr(few_images.mnist_cnn, "build", build_mlp)
    arguments = ("--dataset", "digits", "--num-images", 40, "--steps", 2, "--batch-size", 8)
    arguments += ("--num-seeds", 2, "--augment", "cutout", "flip", "--workdir", tmp_path)
    status, output, error = command(few_images.main, *arguments)
    assert (status, error) == (0, "")
    assert output.count("augmentation: cutout flip, seed") == 2
    page = (tmp_path / "README.md").read_text()
    options = "--num-images 40 --augment cutout flip --steps 2 --batch-size 8 --num-seeds 2"
    assert f"`python -m experiments.few_images {options} --dataset digits`" in page
    for start in ("| none | ", "| cutout flip | ", "| real images | "):
        assert start in page
    runs = {name: tmp_path / name for name in ("none-0", "none-1", "cutout-flip-0")}
    scores = {n: json.loads((run / "few_images.json").read_text()) for n, run in runs.items()}
    assert scores["none-0"] != scores["none-1"]
    assert scores["none-0"] != scores["cutout-flip-0"]
    status, output, _ = command(few_images.main, *arguments)
    assert status == 0
    assert "seed" not in output  # nothing is trained again
    assert (tmp_path / "README.md").read_text() == page
    status, _, error = command(few_images.main, *arguments, "--steps", 3)
    assert status == 1
    assert "contains a comparison with other values of steps; use another --workdir" in error


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("--num-images", 2_000), "num_images is 2000, expected at most the 1797 images of digits"),
        (("--augment",), "augment names no augmentation, expected some of color, translation"),
        (("--num-images", 4), "batch_size is 64, expected 1 to 4, the number of images"),
    ],
)
@pytest.mark.usefixtures("offline")
def test_few_images_refuses_impossible_options(command, tmp_path, options, message):
    workdir = tmp_path / "few"
    arguments = ("--dataset", "digits", "--workdir", workdir, *options)
    status, _, error = command(few_images.main, *arguments)
    assert status
    assert message in " ".join(error.replace("│", " ").split())
    assert not workdir.exists()
