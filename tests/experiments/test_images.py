"""The experiments on images, run through their command lines for a few steps."""

import json

import jax
import numpy as np
import pytest

from experiments import dcgan, mnist_cnn, mnist_mlp, mnist_mlp_bce, mnist_wgan, parabola
from jaxgan import augment, cli
from jaxgan.runs.loading import load_run
from jaxgan.training import read_columns
from tests.helpers.networks import assert_same_bits

pytestmark = pytest.mark.usefixtures("offline")

SYSTEMS = {
    "mnist_mlp_bce": (mnist_mlp_bce, ()),
    "mnist_mlp": (mnist_mlp, ()),
    "mnist_wgan": (mnist_wgan, ()),
    "mnist_wgan_gp": (mnist_wgan, ("--preset", "gradient-penalty")),
    "mnist_mlp_bce_tuned": (mnist_mlp_bce, ("--preset", "tuned")),
    "mnist_wgan_tuned": (mnist_wgan, ("--preset", "tuned")),
}


# One of them runs in the suite, the others with --full.
QUICK = ("mnist_wgan_tuned",)


@pytest.mark.parametrize(
    "name",
    [n if n in QUICK else pytest.param(n, marks=pytest.mark.stress) for n in SYSTEMS],
)
def test_image_experiments_train_and_sample(command, tmp_path, name):
    module, options = SYSTEMS[name]
    workdir = tmp_path / "run"
    arguments = ("--dataset", "digits", "--workdir", workdir, *options, "--steps", 3)
    status, output, error = command(module.main, *arguments)
    assert (status, error) == (0, "")
    assert "Finished at step 3." in output
    assert "The default run has" in output
    metrics = read_columns(workdir / "metrics.jsonl")
    assert np.isfinite(metrics["d_loss"]).all()
    assert ("d_real_probability" in metrics) == (module is not mnist_wgan)
    assert ("d_penalty" in metrics) == bool(options)
    state = load_run(workdir).state
    assert (state.g_ema is not None) == ("tuned" in options)
    assert (int(state.d.step), int(state.g.step)) == (15 if module is mnist_wgan else 3, 3)
    if name == "mnist_wgan":
        largest = max(float(abs(x).max()) for x in jax.tree.leaves(state.d.params))
        assert largest == np.float32(0.01)
    out = tmp_path / "two.npy"
    status, _, error = command(cli.main, "sample", workdir, "--num", 2, "--out", out)
    assert (status, error) == (0, "")
    assert np.load(out).shape == (2, 28, 28, 1)
    assert json.loads((workdir / "findings.json").read_text())["step"] == 3


@pytest.mark.stress
def test_stream_trains_to_the_same_bits(command, tmp_path):
    for name, options in (("memory", ()), ("stream", ("--stream",))):
        arguments = ("--dataset", "digits", "--workdir", tmp_path / name, "--steps", 3, *options)
        status, _, error = command(mnist_mlp.main, *arguments)
        assert (status, error) == (0, "")
    memory, stream = ((tmp_path / name / "metrics.jsonl") for name in ("memory", "stream"))
    assert memory.read_bytes() == stream.read_bytes()


@pytest.mark.parametrize(
    ("module", "options", "message"),
    [
        (mnist_mlp, ("--g-layers", 0), "g_layers is 0, expected at least 1"),
        (mnist_wgan, ("--g-layers", 10**30), "expected at most 100"),
        (mnist_mlp, ("--g-steps", 2_000), "g_steps is 2,000, expected at most 1,000"),
        (
            mnist_mlp,
            ("--steps-per-block", 2**31),
            "steps_per_block is 2,147,483,648, expected at most 2,147,483,647",
        ),
        (mnist_mlp_bce, ("--g-width", -3), "g_width is -3, expected at least 1"),
        (
            mnist_wgan,
            ("--weight-clip", -1.0),
            "weight_clip is -1.0, expected a finite number of at least 0",
        ),
        (
            mnist_wgan,
            ("--gp-weight", "inf"),
            "gp_weight is inf, expected a finite number of at least 0",
        ),
        (mnist_wgan, ("--d-steps", 0), "d_steps is 0, expected at least 1"),
        (
            mnist_cnn,
            ("--learning-rate", "nan"),
            "learning_rate is nan, expected a finite number of at least 0",
        ),
        (
            mnist_cnn,
            ("--r1-gamma", -1.0),
            "r1_gamma is -1.0, expected a finite number of at least 0",
        ),
        (
            mnist_cnn,
            ("--penalty-batch-size", 0),
            "penalty_batch_size is 0, expected at least 1",
        ),
        (
            mnist_cnn,
            ("--ema-half-life", -2.0),
            "ema_half_life is -2.0, expected a finite number of at least 0",
        ),
        (parabola, ("--latent-dim", 0), "latent_dim is 0, expected at least 1"),
        (parabola, ("--num-seeds", 0), "num_seeds is 0, expected at least 1"),
        (
            parabola,
            ("--num-seeds", 2, "--seed", 2**32 - 1),
            "seed is 4,294,967,295, expected at most 4,294,967,294",
        ),
    ],
)
def test_options_out_of_range_are_refused_before_the_first_step(
    command, tmp_path, module, options, message
):
    status, output, error = command(module.main, "--workdir", tmp_path / "run", *options)
    assert (status, output) == (1, "")
    assert error.startswith("error: ")
    assert message in error
    assert not (tmp_path / "run").exists()


def test_steps_beyond_int32_are_refused(command, tmp_path):
    options = ("--workdir", tmp_path / "run", "--steps", 2**30, "--d-steps", 2)
    status, _, error = command(parabola.main, *options)
    assert status == 1
    assert "steps is 1,073,741,824 with 2 batches each, expected at most 1,073,741,823" in error
    assert not (tmp_path / "run" / "config.json").exists()


@pytest.mark.parametrize(
    "module", [dcgan, mnist_mlp_bce, mnist_mlp, mnist_cnn, mnist_wgan, parabola]
)
def test_help_describes_every_option(command, module):
    status, output, _ = command(module.main, "--help")
    assert status == 0
    text = " ".join(output.replace("│", "").split())
    assert module.__doc__.splitlines()[0] in text
    for expected in (
        "--preset",
        "--update-order {d_first,g_first,simultaneous,extragradient}",
        "Total number of train steps.",
        "--d-steps",
    ):
        assert expected in text
    assert text.count("(default:") >= 15


@pytest.mark.parametrize("module", [dcgan, mnist_cnn, mnist_mlp, mnist_mlp_bce, mnist_wgan])
def test_image_experiments_pass_the_augmentation_to_the_gan(module, monkeypatch):
    monkeypatch.setattr(module, "make_gan", lambda **arguments: arguments["augment"])
    shape = {"image_shape": (8, 8, 3)} if module is dcgan else {}
    found = module.build(module.Config(augment=("color", "flip"), **shape))
    images = jax.random.uniform(jax.random.key(0), (4, 8, 8, 3))
    expected = augment.diff_augment(("color", "flip"))(images, jax.random.key(1))
    assert_same_bits(found(images, jax.random.key(1)), expected)
    assert module.build(module.Config(**shape)) is None


@pytest.mark.stress
def test_image_experiment_with_augmentation_is_resumed_to_the_bit(command, tmp_path):
    arguments = ("--dataset", "digits", "--augment", "color", "translation", "cutout")
    for name, parts in (("once", (4,)), ("resumed", (2, 4))):
        for steps in parts:
            workdir = ("--workdir", tmp_path / name)
            status, _, _ = command(mnist_mlp_bce.main, *arguments, *workdir, "--steps", steps)
            assert status == 0
    once, resumed = (load_run(tmp_path / name) for name in ("once", "resumed"))
    assert_same_bits(once.state, resumed.state)
    assert once.config["config"]["augment"] == ["color", "translation", "cutout"]


def test_image_experiment_refuses_an_empty_augmentation(command, tmp_path):
    status, _, error = command(mnist_mlp.main, "--workdir", tmp_path / "run", "--augment")
    assert status == 1
    assert "such as --augment color translation cutout" in " ".join(error.split())
