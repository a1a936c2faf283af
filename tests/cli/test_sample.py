"""`jaxgan sample`: samples of a run, as arrays and as figures."""

import json

import jax
import numpy as np
import pytest
from matplotlib import image as mpimg

from jaxgan import cli, load_run, priors
from jaxgan.cli import sample
from jaxgan.runs import image_data
from tests.helpers.networks import tiny_gan


@pytest.fixture
def toy_run(train_toy, tmp_path):
    workdir = tmp_path / "run"
    assert train_toy(workdir, "--steps", 60)[0] == 0
    return workdir


def draw(command, workdir, out, *arguments):
    """Returns the samples that `jaxgan sample` writes to a .npy file."""
    status, output, error = command(cli.main, "sample", workdir, "--out", out, *arguments)
    assert (status, error) == (0, "")
    samples = np.load(out)
    assert f"{len(samples)} samples of step " in output
    assert str(out) in output
    return samples


def test_sample_writes_samples_without_the_data(command, toy_run, tmp_path, monkeypatch):
    monkeypatch.setattr(
        image_data, "open_dataset", lambda *args, **options: pytest.fail("the data set is opened")
    )
    samples = draw(command, toy_run, tmp_path / "new" / "samples.npy", "--num", 5)
    assert samples.shape == (5, 28, 28, 1)
    assert samples.dtype == np.float32
    assert np.abs(samples).max() <= 1
    np.testing.assert_array_equal(samples, load_run(toy_run).sample(jax.random.key(0), 5))


def test_sample_is_determined_by_seed_and_step(command, train_toy, toy_run, tmp_path):
    train_toy(toy_run, "--steps", 70)
    out = tmp_path / "samples.npy"
    samples = draw(command, toy_run, out, "--num", 5)
    np.testing.assert_array_equal(draw(command, toy_run, out, "--num", 5), samples)
    for option in (("--seed", 1), ("--step", 60)):
        assert not np.array_equal(draw(command, toy_run, out, "--num", 5, *option), samples)


def test_sample_interpolates_between_latent_vectors(command, toy_run, tmp_path):
    out = tmp_path / "samples.npy"
    samples = draw(command, toy_run, out, "--num", 5)
    walk = draw(command, toy_run, out, "--interpolate", "--num", 16)
    assert walk.shape == (16, 28, 28, 1)
    differences = np.abs(np.diff(walk, axis=0)).mean((1, 2, 3))
    assert differences.max() < 0.5 * np.abs(samples[0] - samples[1]).mean()


def test_interpolate_walks_a_closed_polygon():
    gan, key = tiny_gan(prior=priors.normal(4)), jax.random.key(0)
    z = np.asarray(sample.interpolate(gan.prior(key, 3), 24))
    corners = np.asarray(gan.prior(jax.random.clone(key), 3))
    assert z.shape == (24, 4)
    np.testing.assert_allclose(z[::8], corners, rtol=1e-6)
    np.testing.assert_allclose(z[4], (corners[0] + corners[1]) / 2, rtol=1e-5)
    np.testing.assert_allclose(z[22], (corners[2] + 3 * corners[0]) / 4, rtol=1e-5)


@pytest.mark.parametrize("name", ["samples.png", "walk.gif"])
def test_sample_draws_figures(command, toy_run, tmp_path, name):
    out = tmp_path / name
    status, _, error = command(cli.main, "sample", toy_run, "--num", 16, "--out", out)
    assert (status, error) == (0, "")
    assert mpimg.imread(out).std() > 0


def test_sample_uses_a_member_of_a_population(command, train_toy, tmp_path):
    train_toy(tmp_path / "run", "--steps", 5, "--num-seeds", 2)
    first, second = (
        draw(command, tmp_path / "run", tmp_path / "x.npy", "--num", 2, "--member", member)
        for member in range(2)
    )
    assert not np.array_equal(first, second)
    status, _, error = command(cli.main, "sample", tmp_path / "run", "--member", 2)
    assert status == 1
    assert "has members 0 to 1, not 2" in error


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (("--num", 0), 2, "num is 0, expected at least 1"),
        (("--out", "x.jpg"), 2, "out is x.jpg, expected a name ending in .png, .gif or .npy"),
        (("--step", 3), 1, "has no checkpoint of step 3; give one of the existing steps: [60]"),
    ],
)
def test_sample_refuses_what_it_cannot_draw(command, toy_run, arguments, status, message):
    found, _, error = command(cli.main, "sample", toy_run, *arguments)
    assert found == status
    assert message in " ".join(error.replace("│", "").split())


def test_sample_refuses_a_directory_without_a_run(command, tmp_path):
    status, _, error = command(cli.main, "sample", tmp_path / "none")
    assert status == 1
    assert "contains no run: it has no config.json" in error
    (tmp_path / "config.json").write_text('{"versions"')
    status, _, error = command(cli.main, "sample", tmp_path)
    assert status == 1
    assert "config.json is corrupt" in error


def test_sample_enables_64_bit_types_of_a_run(command, train_toy, tmp_path):
    try:
        assert train_toy(tmp_path / "run", "--steps", 2, "--precision", "float64")[0] == 0
        jax.config.update("jax_enable_x64", False)
        samples = draw(command, tmp_path / "run", tmp_path / "x.npy", "--num", 2)
    finally:
        jax.config.update("jax_enable_x64", False)
    record = json.loads((tmp_path / "run" / "config.json").read_text())
    assert record["train"]["x64"]
    assert samples.dtype == np.float32
