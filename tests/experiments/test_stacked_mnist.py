"""The experiment on Stacked MNIST."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib import image as mpimg

from experiments import stacked_mnist, stacked_scores
from jaxgan import losses, make_gan, models
from jaxgan.errors import ConfigError
from jaxgan.evaluation.classifier import NetworkOutputs, TrainedClassifier
from jaxgan.runs import run_dir
from jaxgan.training import read_columns
from tests.helpers.networks import ADAM, UNIFORM

NUM_MEASURED, NUM_PER_BATCH = 2_000, 500


def label_by_brightness(images):
    """The logits of ten classes of images: each tenth of the range of the mean pixel is a class."""
    images = jnp.asarray(images)
    if images.dtype == jnp.uint8:
        images = images / 127.5 - 1
    label = (images.mean((1, 2, 3)) + 1) * 5
    logits = -jnp.abs(label[:, None] - jnp.arange(10)[None] - 0.5)
    return NetworkOutputs(logits, logits)


CLASSIFIER = TrainedClassifier("brightness", label_by_brightness, 10, 1.0, (1.0,) * 10, "0", "0")


def test_scores_of_modes_have_closed_forms():
    everything = stacked_scores.compute_scores(np.repeat(np.arange(1_000), 3))
    assert everything["modes_found"] == 1_000
    assert abs(everything["kl_divergence"]) < 1e-5
    few = stacked_scores.compute_scores(np.repeat(np.arange(99) * 10, 3))
    assert few["modes_found"] == 99
    np.testing.assert_allclose(few["kl_divergence"], np.log(1_000 / 99), rtol=1e-5)


def test_classify_stacked_labels_each_channel():
    """The first channel is the hundreds of the mode; uint8 and floating images agree."""
    levels = np.array([[0, 120, 250], [250, 0, 0]], np.uint8)
    images = np.broadcast_to(levels[:, None, None], (2, 28, 28, 3))
    assert stacked_scores.classify_stacked(CLASSIFIER, images).tolist() == [49, 900]
    assert stacked_scores.classify_stacked(CLASSIFIER, images / 127.5 - 1).tolist() == [49, 900]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pack": 3}, "batch_size is 64, expected a multiple of pack, 3"),
        ({"pack": 2, "r1_gamma": 1.0}, "r1_gamma is 1.0 and pack is 2"),
        ({"pack": 2, "networks": "mnist_cnn"}, "only the networks of PacGAN take packs"),
    ],
)
def test_config_rejects_options_that_contradict_each_other(options, message):
    with pytest.raises(ConfigError, match=message):
        stacked_mnist.Config(**options)


@pytest.mark.parametrize("preset", ["faithful", "tuned"])
def test_presets_generate_color_images(preset):
    gan = stacked_mnist.build(stacked_mnist.Config.from_preset(preset))
    real = jax.ShapeDtypeStruct((4, 28, 28, 3), jnp.float32)
    state = jax.eval_shape(gan.init, jax.random.key(0), real)
    samples = jax.eval_shape(lambda s, k: gan.sample(s, k, 2), state, jax.random.key(0))
    assert samples.shape == (2, 28, 28, 3)
    assert (state.g_ema is not None) == (preset == "tuned")


def build_mlp(config):
    packed = models.PacDCGANDiscriminator(pack=config.pack, width=1)
    return make_gan(
        models.MLPGenerator(widths=(8,), shape=(28, 28, 3)),
        models.MLPDiscriminator(widths=(8,)) if config.pack == 1 else packed,
        losses.non_saturating,
        ADAM,
        ADAM,
        UNIFORM,
    )


@pytest.fixture
def train_stacked(command, offline, monkeypatch):
    """Returns `(workdir, *options) -> result`, of 2 train steps on stacked digits."""
    monkeypatch.setattr(stacked_scores, "NUM_MEASURED", NUM_MEASURED)
    monkeypatch.setattr(stacked_scores, "NUM_PER_BATCH", NUM_PER_BATCH)
    monkeypatch.setattr(stacked_mnist, "build", build_mlp)
    monkeypatch.setattr(stacked_mnist, "load_or_train_classifier", lambda *a, **k: CLASSIFIER)

    def run(workdir, *options):
        arguments = ("--workdir", workdir, "--dataset", "digits", "--batch-size", 8)
        return command(stacked_mnist.main, *arguments, "--steps", 2, *options)

    return run


@pytest.mark.parametrize(
    ("options", "num_seeds"),
    [
        ((), 1),
        (("--pack", 2), 1),
        pytest.param(("--num-seeds", 2), 2, marks=pytest.mark.stress),
    ],
)
def test_stacked_mnist_is_measured_beside_published_values(
    train_stacked, tmp_path, options, num_seeds
):
    status, output, error = train_stacked(tmp_path, "--evaluate-every", 1, *options)
    assert (status, error) == (0, "")
    names = {path.name for path in tmp_path.iterdir()}
    assert {"scores.json", "scores.jsonl", "real.png"} < names < {*run_dir.RUN_FILES, ".lock"}
    assert mpimg.imread(tmp_path / "real.png")[..., :3].std(-1).max() > 0.1  # in color
    record = json.loads((tmp_path / "scores.json").read_text())
    assert record["num_samples"] == NUM_MEASURED
    assert record["expected"]["kl_divergence"] == 999 / (2 * NUM_MEASURED)
    assert {row["system"] for row in record["published"]} > {"DCGAN", "PacDCGAN2", "R3GAN"}
    kl = record["scores"]["kl_divergence"]
    assert len(kl) == num_seeds
    assert "real triples" in output
    assert ("run, pack 2" in output) == ("--pack" in options)
    scores = read_columns(tmp_path / "scores.jsonl")
    assert list(scores)[:2] == ["step", "kl_divergence"]
    np.testing.assert_allclose(scores["kl_divergence"][-1], np.mean(kl), rtol=1e-5)


def test_stacked_mnist_rejects_images_that_cannot_be_stacked(command, offline, tmp_path):
    arguments = ("--dataset", "nothing", "--workdir", tmp_path / "run")
    status, _, error = command(stacked_mnist.main, *arguments)
    assert status == 1
    assert "'nothing' is neither known" in error
    assert not (tmp_path / "run").exists()
