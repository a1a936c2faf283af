"""The comparison of optimizers for games, and their options in every experiment."""

import importlib
import json

import jax.numpy as jnp
import optax
import pytest

from experiments import games
from jaxgan.runs.config import AdamOptions, GameOptions
from jaxgan.training.options import check_ranges

EXPERIMENTS = (
    *("dcgan", "mixture", "mnist_cnn", "mnist_mlp", "mnist_mlp_bce", "mnist_wgan", "parabola"),
    "stacked_mnist",
)


def test_games_on_the_dirac_gan_separates_the_optimizers(command, tmp_path):
    options = ("--games", "dirac", "--num-seeds", 2, "--workdir", tmp_path)
    status, _, error = command(games.main, *options)
    assert status == 0, error
    assert (tmp_path / "dirac.png").exists()
    assert (tmp_path / "scores.png").exists()
    lines = (tmp_path / "README.md").read_text().splitlines()[2:]
    distances = {
        name.strip(): float(value.split("±")[0])
        for name, value in (line.strip("|").split("|") for line in lines)
    }
    assert distances.keys() == games.METHODS.keys()
    assert distances["simultaneous"] > 10
    assert 0.8 < distances["alternating"] < 1.2
    for name in ("alternating, momentum -0.5", "optimistic", "extragradient", "consensus"):
        assert distances[name] < 0.5, name


@pytest.mark.stress
def test_games_trains_each_method_once(command, tmp_path, monkeypatch):
    monkeypatch.setattr(games, "METHODS", {"extragradient": games.METHODS["extragradient"]})
    options = ("--games", "parabola", "--num-seeds", 2, "--parabola-evaluations", 8)
    status, _, error = command(games.main, *options, "--workdir", tmp_path)
    assert status == 0, error
    config = json.loads((tmp_path / "parabola/extragradient/config.json").read_text())
    assert config["train"]["options"]["steps"] == 4  # two evaluations per step
    page = (tmp_path / "README.md").read_text()
    assert "| optimizer | parabola: W2² |" in page
    monkeypatch.setattr(games, "train_or_exit", lambda *args: pytest.fail("it trains again"))
    assert command(games.main, *options, "--workdir", tmp_path)[0] == 0
    assert (tmp_path / "README.md").read_text() == page


@pytest.mark.parametrize(
    ("option", "message"),
    [
        (("--games", "chess"), "games is ('chess',), expected some of dirac, parabola"),
        (("--num-seeds", 0), "num_seeds is 0, expected at least 1"),
    ],
)
def test_games_refuses_what_it_does_not_know(command, tmp_path, option, message):
    status, _, error = command(games.main, *option, "--workdir", tmp_path)
    assert status != 0
    assert message in " ".join(error.replace("│", "").split())


@pytest.mark.parametrize("name", EXPERIMENTS)
def test_every_experiment_has_the_options_of_games(name, monkeypatch):
    module = importlib.import_module(f"experiments.{name}")
    assert issubclass(module.Config, GameOptions)
    monkeypatch.setattr(module, "make_gan", lambda *args, **options: options)
    extra = {"image_shape": (8, 8, 1)} if name == "dcgan" else {}
    plain = module.build(module.Config(**extra))
    assert plain["field_transform"] is None
    options = {"optimistic": True, "consensus_gamma": 0.5, "update_order": "extragradient"}
    changed = module.build(module.Config(**options, **extra))
    assert callable(changed["field_transform"])
    for tx in (changed["d_tx"], changed["g_tx"]):
        state = optax.tree_utils.tree_get(tx.init(jnp.zeros(2)), "previous_gradient")
        assert state is not None


def test_learning_rate_falls_over_both_updates_of_an_extragradient_step():
    options = {"steps": 10, "learning_rate": 0.1, "decay_steps": 10}
    config = AdamOptions(**options, update_order="extragradient", d_steps=2)
    for tx in config.make_optimizers():
        state, params = tx.init(jnp.zeros(1)), jnp.zeros(1)
        for _ in range(20):
            updates, state = tx.update(jnp.ones(1), state, params)
        assert 0 < abs(float(updates[0])) < 0.1 / 10
        updates, _ = tx.update(jnp.ones(1), state, params)
        assert float(updates[0]) == 0


def test_b1_may_be_negative():
    check_ranges(AdamOptions(steps=1, b1=-0.5))
    for b1 in (-1.0, 1.0):
        with pytest.raises(ValueError, match=f"b1 is {b1}, expected a number above -1 and below 1"):
            AdamOptions(steps=1, b1=b1)
