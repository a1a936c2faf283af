"""Configurations of experiments: presets, lengths, and reading them from config.json."""

import dataclasses
import json
from pathlib import Path

import jax.numpy as jnp
import numpy as np
import pytest

from experiments import (
    dcgan,
    mixture,
    mnist_cnn,
    mnist_mlp,
    mnist_mlp_bce,
    mnist_wgan,
    parabola,
    stacked_mnist,
)
from jaxgan.errors import ConfigError
from jaxgan.runs.config import AdamOptions, RunConfig, config_from_json
from jaxgan.training import LoopOptions
from tests.helpers.fuzzing import call_or_refuse

EXPERIMENTS = (
    *(dcgan, mixture, mnist_cnn, mnist_mlp, mnist_mlp_bce, mnist_wgan, parabola),
    stacked_mnist,
)
EACH_EXPERIMENT = pytest.mark.parametrize(
    "module", EXPERIMENTS, ids=lambda module: module.__name__.rpartition(".")[-1]
)


def to_json(config):
    return json.loads(json.dumps(dataclasses.asdict(config), default=str))


@EACH_EXPERIMENT
def test_from_preset_sets_the_fields_of_the_preset(module):
    for name, fields in module.Config.presets.items():
        assert module.Config.from_preset(name) == module.Config(preset=name, **fields)
        changed = module.Config.from_preset(name, learning_rate=0.5)
        assert changed == module.Config(preset=name, **(fields | {"learning_rate": 0.5}))


@EACH_EXPERIMENT
def test_config_from_json_returns_what_was_written(module):
    for name in (*module.Config.presets, module.Config().preset):
        config = module.Config.from_preset(name, seed=3)
        assert config_from_json(module.Config, to_json(config)) == config


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"depth": 3}, "config.json has fields that experiments.mnist_cnn does not know: depth"),
        ({"seed": "0"}, "config.json is corrupt: seed is '0'"),
        ({"batch_size": True}, "config.json is corrupt: batch_size is True"),
        ({"steps": 0}, "steps is 0, expected at least 1"),
    ],
)
def test_config_from_json_refuses_damaged_fields(changes, message):
    values = to_json(mnist_cnn.Config()) | changes
    with pytest.raises(ConfigError, match=message):
        config_from_json(mnist_cnn.Config, values)


@pytest.mark.parametrize(
    ("changes", "expected"), [({"epochs": 2}, 2 * 37 * 33), ({}, 10_000), ({"steps": 7}, 7)]
)
def test_total_steps_takes_steps_then_epochs_then_the_default(changes, expected):
    assert mnist_wgan.Config(**changes).total_steps(37 * 33) == expected


def test_total_steps_refuses_a_missing_length():
    with pytest.raises(ConfigError, match="steps is not given"):
        RunConfig().total_steps(5)


def test_train_options_has_every_option_of_the_loop():
    config = mnist_wgan.Config(steps=7, seed=3, keep_every=4, num_seeds=2, on_nonfinite="skip")
    options = config.train_options(5)
    assert options.steps == 7
    shared = {field.name for field in dataclasses.fields(LoopOptions)}
    assert {name: getattr(options, name) for name in shared} == {
        name: getattr(config, name) for name in shared
    }


def test_run_config_expands_the_home_directory(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert mnist_cnn.Config(workdir="~/run").workdir == tmp_path / "run"


def test_run_config_takes_numpy_integers():
    config = parabola.Config(batch_size=np.int64(8), workdir=Path("run"))
    assert to_json(config)["batch_size"] == 8


def test_run_config_accepts_or_refuses_the_home_of_an_unknown_user():
    found, message = call_or_refuse(lambda: RunConfig(workdir="~nobody-of-that-name/run"))
    assert found is not None or "nobody-of-that-name" in message


@pytest.mark.parametrize("decay_steps", [None, 10])
def test_make_optimizers_lowers_both_rates_over_the_same_train_steps(decay_steps):
    """With constant gradients of 1, each update of Adam is its learning rate."""
    config = AdamOptions(learning_rate=0.5, decay_steps=decay_steps, d_steps=1, g_steps=3)
    for tx, num_updates in zip(config.make_optimizers(), (1, 3), strict=True):
        state, rates = tx.init(jnp.zeros(())), []
        for _ in range(11 * num_updates):
            update, state = tx.update(jnp.ones(()), state)
            rates.append(-float(update))
        steps = np.arange(11 * num_updates) / num_updates
        expected = 0.5 * (np.maximum(1 - steps / 10, 0) if decay_steps else np.ones_like(steps))
        np.testing.assert_allclose(rates, expected, atol=1e-5)


def test_make_optimizers_gives_the_discriminator_its_own_learning_rate():
    config = AdamOptions(learning_rate=0.5, d_learning_rate=0.25)
    rates = [
        -float(tx.update(jnp.ones(()), tx.init(jnp.zeros(())))[0])
        for tx in config.make_optimizers()
    ]
    np.testing.assert_allclose(rates, [0.25, 0.5], atol=1e-5)
    with pytest.raises(ConfigError, match="d_learning_rate is 0"):
        AdamOptions(d_learning_rate=0.0)


def test_warnings_of_adam_options_name_the_steps_without_learning():
    (warning,) = mnist_cnn.Config(decay_steps=100).warnings(150)
    assert "The learning rate is 0 from step 100 on (decay_steps), so the last 50 of 150" in warning
    assert not mnist_cnn.Config(decay_steps=100).warnings(100)


def test_longer_hint_does_not_resume_at_a_learning_rate_of_0():
    assert "more --steps" in mnist_cnn.Config(decay_steps=100).longer_hint(99)
    assert "more --steps" in mnist_cnn.Config().longer_hint(100)
    hint = mnist_cnn.Config(decay_steps=100).longer_hint(100)
    assert all(words in hint for words in ("has fallen to 0", "--overwrite", "--decay-steps"))
