"""Class-conditional experiments: trained, resumed, sampled, evaluated, and what is refused."""

import json

import jax
import numpy as np
import pytest
from PIL import Image

from experiments import dcgan, mnist_cnn, mnist_mlp, mnist_mlp_bce, mnist_wgan
from jaxgan import cli, load_run
from jaxgan.data import load_split
from jaxgan.errors import ConfigError, ShapeError
from jaxgan.training import read_columns
from tests.helpers.networks import assert_same_bits

pytestmark = pytest.mark.usefixtures("offline")

COLORS = {
    "blue": (0, 0, 1),
    "cyan": (0, 1, 1),
    "green": (0, 1, 0),
    "pink": (1, 0, 1),
    "red": (1, 0, 0),
    "yellow": (1, 1, 0),
}
NAMES = tuple(COLORS)
DIGITS = ("--dataset", "digits", "--conditional", "--batch-size", 16, "--steps-per-block", 2)
SYSTEMS = {
    "mnist_mlp": (mnist_mlp, ()),
    "mnist_mlp_bce": (mnist_mlp_bce, ()),
    "mnist_wgan_clip": (mnist_wgan, ()),
    "mnist_wgan_tuned": (mnist_wgan, ("--preset", "tuned")),
    "mnist_cnn": (mnist_cnn, ()),
    "mnist_cnn_tuned": (mnist_cnn, ("--preset", "tuned")),
}
QUICK = ("mnist_mlp_bce",)


@pytest.fixture(scope="module")
def color_folder(tmp_path_factory):
    """Returns a folder of color PNG files in six classes, 8 of each."""
    root, digits = tmp_path_factory.mktemp("colors") / "digits", load_split("digits").images
    for number, name in enumerate(NAMES):
        (root / name).mkdir(parents=True)
        color = np.array(COLORS[name], np.uint8)
        for i in range(8):
            image = Image.fromarray(digits[8 * number + i] * color)
            image.resize((16, 12)).save(root / name / f"{i}.png")
    return root


@pytest.fixture
def train(command):
    """Returns `(module, workdir, *arguments) -> output`; the run has no error."""

    def call(module, workdir, *arguments):
        status, output, error = command(module.main, "--workdir", workdir, *arguments)
        assert (status, error) == (0, "")
        return output

    return call


@pytest.mark.parametrize(
    "name",
    [n if n in QUICK else pytest.param(n, marks=pytest.mark.stress) for n in SYSTEMS],
)
def test_conditional_experiments_train_and_resume_with_the_same_bits(train, tmp_path, name):
    module, options = SYSTEMS[name]
    for folder, steps in (("parts", 2), ("parts", 4), ("whole", 4)):
        output = train(module, tmp_path / folder, *DIGITS, *options, "--steps", steps)
        assert output.splitlines()[1] == "The GAN is conditional on 10 classes."
    parts, whole = (load_run(tmp_path / folder) for folder in ("parts", "whole"))
    assert_same_bits(parts.state, whole.state)
    assert parts.class_names == tuple("0123456789")
    assert parts.config["data"]["class_counts"] == np.bincount(load_split("digits").labels).tolist()
    samples = np.load(tmp_path / "parts" / "samples" / "000004.npy")
    assert samples.shape == (80, 28, 28, 1)  # a row of 8 for each class
    labels = np.repeat(np.arange(3), 2)
    assert parts.sample(jax.random.key(0), 6, labels).shape == (6, 28, 28, 1)


@pytest.mark.stress
def test_dcgan_on_a_color_folder_with_six_classes(train, command, tmp_path, color_folder):
    options = ("--conditional", "--width", 4, "--batch-size", 8, "--steps-per-block", 1)
    workdirs = {name: tmp_path / name for name in ("whole", "parts", "streamed")}
    for name, steps in (("whole", 3), ("parts", 2), ("parts", 3), ("streamed", 3)):
        more = ("--stream",) if name == "streamed" else ()
        data = ("--dataset", color_folder, "--data-dir", tmp_path / "data")
        output = train(dcgan, workdirs[name], *data, *options, *more, "--steps", steps)
    assert "48 images in 6 classes, 12x16, RGB" in output
    assert "Classes: 0 blue, 1 cyan, 2 green, 3 pink, 4 red, 5 yellow" in output
    metrics = [(path / "metrics.jsonl").read_bytes() for path in workdirs.values()]
    assert metrics[0] == metrics[1] == metrics[2]
    run = load_run(workdirs["whole"])
    assert run.class_names == NAMES
    out = tmp_path / "red.npy"
    sample = ("sample", workdirs["whole"], "--num", 3, "--out", out)
    for of_class in ("red", 4):
        status, _, error = command(cli.main, *sample, "--class", of_class)
        assert (status, error) == (0, "")
        expected = run.sample(jax.random.key(0), 3, np.full(3, 4))
        np.testing.assert_array_equal(np.load(out), expected)
    status, _, error = command(cli.main, *sample, "--class", "purple")
    assert status == 1
    assert "class 'purple' is unknown, expected one of 0 blue, 1 cyan" in " ".join(error.split())


@pytest.mark.stress
def test_run_of_classes_samples_by_frequency_and_refuses_unknown_ones(train, tmp_path, command):
    train(mnist_mlp, tmp_path, *DIGITS, "--steps", 2)
    run = load_run(tmp_path)
    assert run.sample(jax.random.key(0), 12).shape == (12, 28, 28, 1)
    with pytest.raises(ConfigError, match="condition has the class 10, expected indices from 0 to"):
        run.sample(jax.random.key(0), 2, np.array([3, 10]))
    with pytest.raises(ShapeError, match=r"condition has shape \[3\], expected \[2, …\]"):
        run.sample(jax.random.key(0), 2, np.array([3, 1, 2]))
    out = tmp_path / "walk.npy"
    walk = ("sample", tmp_path, "--interpolate", "--num", 80, "--out", out)
    assert command(cli.main, *walk)[0] == 0
    walked = np.load(out)
    # Every eighth sample is a corner: latent vector i with class i.
    z = run.gan.prior(jax.random.key(0), 10)
    corners = run.gan.generate(run.state.g.variables, z, np.arange(10))
    np.testing.assert_allclose(walked[::8], corners, atol=1e-5)
    assert command(cli.main, *walk, "--class", 3)[0] == 0
    corners = run.gan.generate(run.state.g.variables, z, np.full(10, 3))
    np.testing.assert_allclose(np.load(out)[::8], corners, atol=1e-5)


@pytest.mark.stress
def test_conditional_population_equals_single_runs(train, tmp_path):
    options = (*DIGITS, "--steps", 3)
    train(mnist_mlp, tmp_path / "two", *options, "--num-seeds", 2)
    train(mnist_mlp, tmp_path / "one", *options, "--seed", 1)
    one, two = load_run(tmp_path / "one"), load_run(tmp_path / "two", member=1)
    jax.tree.map(
        lambda a, b: np.testing.assert_allclose(a, b, rtol=1e-3, atol=1e-5), one.state, two.state
    )


@pytest.mark.stress
def test_conditional_run_on_two_devices_equals_that_on_one(train, tmp_path):
    for num in (1, 2):
        train(mnist_mlp, tmp_path / str(num), *DIGITS, "--steps", 4, "--num-devices", num)
    one, two = (read_columns(tmp_path / name / "metrics.jsonl") for name in ("1", "2"))
    for name in ("d_loss", "g_loss", "d_grad_norm"):
        np.testing.assert_allclose(two[name], one[name], rtol=1e-4, err_msg=name)


def test_conditional_training_without_classes_is_refused(command, train_toy, tmp_path):
    images = np.random.default_rng(0).integers(0, 256, (40, 28, 28), np.uint8)
    np.save(tmp_path / "plain.npy", images)
    np.savez(tmp_path / "single.npz", images=images, labels=np.full(40, 5))
    for name, message in (
        ("plain.npy", "plain has no labels, which --conditional needs"),
        ("single.npz", "single has only the class 5, but --conditional needs at least two"),
    ):
        options = ("--conditional", "--steps", 1, "--workdir", tmp_path / "run")
        status, _, error = command(mnist_mlp.main, "--dataset", tmp_path / name, *options)
        assert status == 1
        assert message in " ".join(error.split())
    status, _, error = train_toy(tmp_path / "run", "--conditional", "--steps", 1)
    assert status == 1
    assert "a condition is given, but the network Generator takes none" in " ".join(error.split())
    assert not (tmp_path / "run").exists()


def test_sample_of_a_class_needs_a_conditional_run(command, train_toy, tmp_path):
    train_toy(tmp_path, "--steps", 2)
    status, _, error = command(cli.main, "sample", tmp_path, "--class", 1)
    assert status == 1
    assert "is not a run with --conditional; leave out --class" in " ".join(error.split())


def test_resuming_as_conditional_is_refused(command, train, tmp_path):
    train(mnist_mlp, tmp_path, "--dataset", "digits", "--batch-size", 16, "--steps", 1)
    options = ("--dataset", "digits", "--conditional", "--batch-size", 16, "--steps", 2)
    status, _, error = command(mnist_mlp.main, "--workdir", tmp_path, *options)
    assert status == 1
    assert "conditional: False in the run, True now" in error
    assert json.loads((tmp_path / "config.json").read_text())["config"]["conditional"] is False
