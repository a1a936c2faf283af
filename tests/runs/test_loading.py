"""Loading a run from its directory."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan import TrainOptions, load_run, train
from jaxgan.errors import CheckpointError, ConfigError, CorruptCheckpointError
from jaxgan.training import Callbacks
from jaxgan.training.config_file import run_title
from tests.helpers.networks import SHAPE, assert_same_bits, small_gan, tiny_gan, tiny_source

GAN = tiny_gan()
QUIET = Callbacks(progress=None)


def run_from_code(workdir, steps=7, callbacks=QUIET, **options):
    """Trains the tiny GAN; epochs have 5 train steps. Returns the state."""
    return train(GAN, tiny_source(), workdir, TrainOptions(steps=steps, **options), callbacks)[0]


def test_load_run_of_a_gan_from_code_needs_the_gan(tmp_path):
    state = run_from_code(tmp_path)
    with pytest.raises(
        ConfigError,
        match=r"its GAN cannot be rebuilt; load it in Python with its GAN: jaxgan.load_run\(",
    ):
        load_run(tmp_path)
    run = load_run(tmp_path, gan=GAN)
    assert_same_bits(run.state, state)
    assert (run.step, run.gan) == (7, GAN)
    assert run.config["train"]["options"]["steps"] == 7
    key = jax.random.key(3)
    np.testing.assert_array_equal(
        run.sample(key, 4), GAN.sample(state, jax.random.clone(key), num=4)
    )


def test_load_run_accepts_strings_and_steps(tmp_path):
    run_from_code(tmp_path)
    run = load_run(str(tmp_path), 5, gan=GAN)
    assert (run.step, int(run.state.g.step)) == (5, 5)
    with pytest.raises(CheckpointError, match=r"no checkpoint of step 3; give .* \[5, 7\]"):
        load_run(tmp_path, 3, gan=GAN)


def test_load_run_refuses_arguments_of_another_type(tmp_path):
    run_from_code(tmp_path)
    for options, message in (
        ({"step": 5.0}, r"step is 5\.0, expected an integer"),
        ({"step": "last"}, "step is 'last', expected an integer"),
        ({"member": 0.0}, r"member is 0\.0, expected an integer"),
        ({"gan": tiny_gan}, "gan is a function, expected a GAN"),
    ):
        with pytest.raises(ConfigError, match=message):
            load_run(tmp_path, **({"gan": GAN} | options))


def test_load_run_best_returns_the_checkpoint_with_the_lowest_first_score(tmp_path):
    run_from_code(tmp_path / "unscored")
    with pytest.raises(CheckpointError, match="no checkpoint with scores; train with --evaluate-"):
        load_run(tmp_path / "unscored", "best", gan=GAN)
    callbacks = Callbacks(
        progress=None, evaluate=lambda state, key: {"distance": abs(float(state.g.step) - 5)}
    )
    run_from_code(tmp_path / "scored", 20, callbacks)
    assert load_run(tmp_path / "scored", "best", gan=GAN).step == 5
    assert load_run(tmp_path / "scored", gan=GAN).step == 20


@pytest.mark.stress
def test_load_run_selects_a_member(tmp_path):
    states = run_from_code(tmp_path, num_seeds=2)
    for member in range(2):
        expected = jax.tree.map(lambda x, i=member: x[i], states)
        assert_same_bits(load_run(tmp_path, gan=GAN, member=member).state, expected)
    for member in (-1, 2):
        with pytest.raises(CheckpointError, match=f"has members 0 to 1, not {member}"):
            load_run(tmp_path, gan=GAN, member=member)


def test_load_run_of_a_single_gan_refuses_members(tmp_path):
    run_from_code(tmp_path)
    with pytest.raises(CheckpointError, match="trained a single GAN; leave out member 1"):
        load_run(tmp_path, gan=GAN, member=1)


def test_load_run_of_64_bit_types_needs_them_and_changes_no_setting(tmp_path):
    with jax.enable_x64(True):
        state = run_from_code(tmp_path)
        assert_same_bits(load_run(tmp_path, gan=GAN).state, state)
    if jax.config.jax_enable_x64:
        return
    message = r'not enabled; run jax\.config\.update\("jax_enable_x64", True\) first'
    with pytest.raises(ConfigError, match=message):
        load_run(tmp_path, gan=GAN)
    assert not jax.config.jax_enable_x64


@pytest.mark.stress
def test_load_run_passes_conditions_to_sample(tmp_path):
    gan, labels = small_gan(), np.arange(40, dtype=np.int32) % 10
    train(gan, tiny_source(labels=labels), tmp_path, TrainOptions(steps=1), QUIET)
    run = load_run(tmp_path, gan=gan)
    samples = [run.sample(jax.random.key(0), 3, jnp.full(3, label)) for label in (1, 2)]
    assert samples[0].shape == (3, *SHAPE)
    assert not np.array_equal(*samples)


def test_load_run_refuses_another_gan(tmp_path):
    run_from_code(tmp_path)
    with pytest.raises(CheckpointError, match="the arrays do not match this GAN"):
        load_run(tmp_path, gan=tiny_gan(ema_half_life=10.0))


def test_load_run_refuses_a_directory_without_a_run(tmp_path):
    with pytest.raises(ConfigError, match=r"none contains no run: it has no config\.json"):
        load_run(tmp_path / "none", gan=GAN)
    run_from_code(tmp_path)
    record = json.loads((tmp_path / "config.json").read_text())
    (tmp_path / "config.json").write_text(json.dumps({"versions": record["versions"]}))
    with pytest.raises(CheckpointError, match="has no checkpoint yet; train it first"):
        load_run(tmp_path, gan=GAN)


def test_load_run_names_the_other_steps_if_a_checkpoint_is_corrupt(tmp_path):
    run_from_code(tmp_path)
    (tmp_path / "checkpoints" / "7" / "meta" / "metadata").write_text("{}")
    with pytest.raises(CorruptCheckpointError, match=r"has checkpoints of steps \[5, 7\]; load"):
        load_run(tmp_path, gan=GAN)
    assert load_run(tmp_path, 5, gan=GAN).step == 5


@pytest.mark.parametrize("content", ['{"experi', "3", '{"config": {}}', "\0", "[]"])
def test_load_run_refuses_a_corrupt_config(tmp_path, content):
    (tmp_path / "config.json").write_text(content)
    with pytest.raises(ConfigError, match=r"config\.json is corrupt"):
        load_run(tmp_path)


def test_load_run_refuses_runs_of_the_first_release(tmp_path):
    (tmp_path / "config.json").write_text('{"versions": {"jaxgan": "0.1.0"}}')
    with pytest.raises(ConfigError, match=r"run of jaxgan 0\.1\.0, which this release cannot"):
        load_run(tmp_path)


def test_load_run_rebuilds_the_gan_of_an_experiment(train_toy, tmp_path):
    train_toy(tmp_path, "--steps", 50)
    run = load_run(tmp_path)
    assert run.sample(jax.random.key(0), 2).shape == (2, 28, 28, 1)
    record = json.loads((tmp_path / "config.json").read_text())
    for change, message in (
        (
            {"experiment": "experiments.gone"},
            "trained by the module experiments.gone, which cannot be used here",
        ),
        ({"experiment": "json"}, "trained by the module json, which cannot be used here"),
        (
            {"config": record["config"] | {"depth": 3}},
            "fields that tests.helpers.toy_experiment does not know: depth",
        ),
    ):
        (tmp_path / "config.json").write_text(json.dumps(record | change))
        with pytest.raises(ConfigError, match=message):
            load_run(tmp_path)
    assert_same_bits(load_run(tmp_path, gan=run.gan).state, run.state)


@pytest.mark.parametrize(
    ("config", "title"),
    [
        (
            {
                "experiment": "experiments.mnist_cnn",
                "config": {"preset": "tuned"},
                "data": {"name": "digits"},
            },
            "mnist_cnn · tuned · digits",
        ),
        (
            {
                "experiment": "experiments.parabola",
                "config": {"preset": "faithful"},
                "data": {"name": "parabola"},
            },
            "parabola · faithful",
        ),
        ({}, ""),
    ],
)
def test_run_title_names_system_preset_and_data(config, title):
    assert run_title(config) == title
