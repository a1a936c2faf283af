"""`jaxgan sample`: samples of a run, as arrays and as figures."""

import json
from types import SimpleNamespace
from typing import Any, cast

import jax
import numpy as np
import pytest
from matplotlib import image as mpimg

from jaxgan import cli, load_run
from jaxgan.cli import sample
from jaxgan.errors import ConfigError
from jaxgan.runs import image_data


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


def test_sample_draws_seeds_and_walks_between_them(command, toy_run, tmp_path):
    out = tmp_path / "samples.npy"
    samples = draw(command, toy_run, out, "--seeds", 3, 5)
    run = load_run(toy_run)
    expected = [run.sample(jax.random.key(seed), 1)[0] for seed in (3, 5)]
    np.testing.assert_allclose(samples, expected, atol=1e-6)
    walk = draw(command, toy_run, out, "--interpolate", "--seeds", 3, 5, "--num", 8)
    np.testing.assert_allclose(walk[[0, 4]], expected, atol=1e-5)
    np.testing.assert_allclose(walk[1], walk[7], atol=1e-5)  # there and back
    options = ("--interpolate", "--seeds", 3, 5, "--num", 5, "--no-loop")
    np.testing.assert_allclose(draw(command, toy_run, out, *options)[[0, 4]], expected, atol=1e-5)
    options = ("--interpolate", "--seeds", 3, 5, "--num", 8)
    linear, spherical = (
        draw(command, toy_run, out, *options, "--path", path) for path in ("linear", "spherical")
    )
    np.testing.assert_array_equal(walk, linear)  # the prior is uniform
    np.testing.assert_allclose(spherical[[0, 4]], linear[[0, 4]], atol=1e-5)
    assert np.abs(spherical - linear).max() > 0.01
    out = tmp_path / "walk.png"
    options = ("--interpolate", "--seeds", 3, 5, "--num", 24, "--out", out)
    assert command(cli.main, "sample", toy_run, *options)[0] == 0
    width = mpimg.imread(out).shape[1]
    assert width >= 12 * 2 * 28  # twelve images from each seed to the next


@pytest.mark.parametrize(
    "name", [pytest.param("samples.png", marks=pytest.mark.stress), "walk.gif"]
)
def test_sample_draws_figures(command, toy_run, tmp_path, name):
    out = tmp_path / name
    status, _, error = command(cli.main, "sample", toy_run, "--num", 16, "--out", out)
    assert (status, error) == (0, "")
    assert mpimg.imread(out).std() > 0


@pytest.mark.stress
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
    ("arguments", "message"),
    [
        (("--num", 0), "num is 0, expected at least 1"),
        (("--out", "x.jpg"), "out is x.jpg, expected a name ending in .png, .gif or .npy"),
        (("--path", "linear"), "--path linear is given without --interpolate; add --interpolate"),
        (("--no-loop",), "--no-loop is given without --interpolate; add --interpolate"),
        (("--seeds", 1, 2**32), "seeds is 1 4294967296, expected one or more integers from 0 to"),
        (("--seeds", 1, -1), "seeds is 1 -1, expected one or more integers from 0 to"),
        (("--seeds", 1, "--num", 3), "--num 3 and --seeds are both given"),
    ],
)
def test_sample_refuses_invalid_options(command, tmp_path, arguments, message):
    status, _, error = command(cli.main, "sample", tmp_path, *arguments)
    assert status == 2
    assert message in " ".join(error.replace("│", "").split())


def test_sample_refuses_what_the_run_does_not_have(command, toy_run):
    for arguments, message in (
        (("--step", 3), "has no checkpoint of step 3; give one of the existing steps: [60]"),
        (("--seeds", 1, "--interpolate"), "a walk needs at least two"),
        (
            ("--seeds", 1, 2, 3, "--interpolate", "--num", 2),
            "num is 2, but the walk passes through 3 latent vectors; use --num 3 or more",
        ),
        (("--class", 1), "is not a run with --conditional; leave out --class"),
    ):
        status, _, error = command(cli.main, "sample", toy_run, *arguments)
        assert status == 1
        assert message in " ".join(error.split())


@pytest.mark.parametrize("shape", [(3, 2), (3, 8), (3, 4, 5)])
def test_save_samples_refuses_to_draw_samples_of_unknown_shape(tmp_path, shape):
    run = SimpleNamespace(config={})
    with pytest.raises(ConfigError, match=r"cannot be drawn.*use a name ending in \.npy"):
        sample.save_samples(tmp_path / "x.png", np.zeros(shape), cast(Any, run), "", 8)


def test_sample_refuses_a_directory_without_a_run(command, tmp_path):
    status, _, error = command(cli.main, "sample", tmp_path / "none")
    assert status == 1
    assert "contains no run: it has no config.json" in error
    (tmp_path / "config.json").write_text('{"versions"')
    status, _, error = command(cli.main, "sample", tmp_path)
    assert status == 1
    assert "config.json is corrupt" in error


@pytest.mark.stress
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
