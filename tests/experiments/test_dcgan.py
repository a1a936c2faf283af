"""The experiment on images of any size: trained, resumed, loaded and sampled on a small array."""

import json

import jax
import numpy as np
import pytest
from matplotlib import image as mpimg

from experiments import dcgan, mnist_cnn
from jaxgan import cli
from jaxgan.errors import ConfigError
from jaxgan.runs.config import config_from_json
from jaxgan.runs.loading import load_run
from jaxgan.training import read_columns

pytestmark = pytest.mark.usefixtures("offline")

SHAPE = (16, 12, 3)
OPTIONS = ("--width", 4, "--batch-size", 8, "--steps-per-block", 1)


def write_images(path, shape):
    np.save(path, np.random.default_rng(0).integers(0, 256, (40, *shape), dtype=np.uint8))
    return path


@pytest.fixture
def images(tmp_path):
    return write_images(tmp_path / "images.npy", SHAPE)


@pytest.mark.parametrize("preset", ["faithful", pytest.param("tuned", marks=pytest.mark.stress)])
def test_dcgan_trains_resumes_and_samples_images_of_the_datas_shape(
    command, tmp_path, images, preset
):
    workdir, straight = tmp_path / "run", tmp_path / "straight"
    arguments = ("--dataset", images, *OPTIONS, "--preset", preset)
    for folder, steps in ((workdir, 2), (workdir, 3), (straight, 3)):
        status, output, error = command(
            dcgan.main, *arguments, "--workdir", folder, "--steps", steps
        )
        assert (status, error) == (0, "")
        assert f"Finished at step {steps}." in output
    metrics = [(folder / "metrics.jsonl").read_bytes() for folder in (workdir, straight)]
    assert metrics[0] == metrics[1]
    columns = read_columns(workdir / "metrics.jsonl")
    assert columns["step"].tolist() == [1, 2, 3]
    assert np.isfinite(columns["d_loss"]).all()
    assert ("d_penalty" in columns) == (preset == "tuned")
    record = json.loads((workdir / "config.json").read_text())
    assert record["config"]["image_shape"] == record["data"]["shape"] == list(SHAPE)
    run = load_run(workdir)
    assert run.step == 3
    assert run.sample(jax.random.key(0), 2).shape == (2, *SHAPE)
    assert (run.state.g_ema is not None) == (preset == "tuned")
    assert mpimg.imread(workdir / "real.png").std() > 0
    out = tmp_path / "samples.npy"
    status, _, error = command(cli.main, "sample", workdir, "--num", 2, "--out", out)
    assert (status, error) == (0, "")
    assert np.load(out).shape == (2, *SHAPE)


def test_dcgan_refuses_images_out_of_range(command, tmp_path):
    images = write_images(tmp_path / "small.npy", (7, 12, 3))
    arguments = ("--dataset", images, "--workdir", tmp_path / "run", *OPTIONS, "--steps", 1)
    status, _, error = command(dcgan.main, *arguments)
    assert status == 1
    assert "the images have shape [7, 12, 3], expected [H, W, C] with sides of 8 to 256" in error
    assert "python -m experiments.dcgan" not in error
    assert not (tmp_path / "run").exists()


def test_dcgan_refuses_sizes_out_of_range_before_it_reads_images(command, tmp_path):
    arguments = ("--dataset", tmp_path, "--workdir", tmp_path / "run", "--size", "300x64")
    status, _, error = command(dcgan.main, *arguments)
    assert status == 1
    assert "size is 300x64, expected sides of 8 to 256 pixels" in " ".join(error.split())


def test_fixed_networks_refuse_other_images_and_name_dcgan(command, tmp_path, images):
    arguments = ("--dataset", images, "--workdir", tmp_path / "run", "--batch-size", 8)
    status, _, error = command(mnist_cnn.main, *arguments, "--steps", 1)
    assert status == 1
    assert "does not fit" in error
    assert "python -m experiments.dcgan takes images of" in error


def test_image_shape_is_no_option_of_the_command_line(command):
    status, output, _ = command(dcgan.main, "--help")
    assert status == 0
    assert "--spectral-norm" in output
    assert "image-shape" not in output


def test_image_shape_is_read_from_json_as_a_tuple():
    config = config_from_json(dcgan.Config, {"image_shape": list(SHAPE), "width": 4})
    assert config == dcgan.Config(image_shape=SHAPE, width=4)


def test_build_requires_an_image_shape():
    with pytest.raises(ConfigError, match=r"image_shape is None, expected \(height, width"):
        dcgan.build(dcgan.Config())


@pytest.mark.parametrize(
    ("options", "normalizations"),
    [
        ({}, {"BatchNorm"}),
        ({"spectral_norm": True}, {"SpectralNorm"}),
        ({"r1_gamma": 1.0}, set()),
        ({"r1_gamma": 1.0, "spectral_norm": True}, {"SpectralNorm"}),
    ],
)
def test_build_uses_batch_norm_only_without_r1_and_spectral_norm(options, normalizations):
    gan = dcgan.build(dcgan.Config(image_shape=SHAPE, width=4, **options))
    real = np.zeros((1, *SHAPE), np.float32)
    state = jax.eval_shape(gan.init, jax.random.key(0), real)
    layers = state.d.model_state.get("batch_stats", {})
    assert {name.rpartition("_")[0] for name in layers} == normalizations
