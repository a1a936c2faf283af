"""Tests of populations whose members differ in hyperparameters."""

import chex
import jax
import numpy as np
import pytest

from jaxgan import make_population, optimizers, penalties
from jaxgan.errors import CheckpointError, ConfigError
from jaxgan.training.loop import train
from jaxgan.training.options import TrainOptions
from jaxgan.training.rng import make_rng_streams
from tests.helpers.networks import SHAPE, assert_same_bits, tiny_gan, tiny_source

SOURCE = tiny_source()
HYPERPARAMS = {"learning_rate": [1e-3, 0.0, 1e-2], "gamma": [0.5, 1.0, 2.0]}
REAL = np.zeros((8, *SHAPE), np.float32)


def build_member(hyperparams):
    tx = optimizers.adam(hyperparams["learning_rate"])
    penalty = penalties.r1(hyperparams["gamma"])
    return tiny_gan(d_tx=tx, g_tx=tx, penalty=penalty, ema_half_life=10.0)


def member_hyperparams(i):
    return {name: values[i] for name, values in HYPERPARAMS.items()}


def train_population(workdir, steps, hyperparams=HYPERPARAMS, **options):
    options = {"seed": 5, "num_seeds": 3, "steps_per_block": 3} | options | {"steps": steps}
    options = TrainOptions(**options)
    return train(make_population(build_member, hyperparams), SOURCE, workdir, options)[0]


@pytest.mark.parametrize(
    "options",
    [
        {},
        pytest.param(
            {"update_order": "simultaneous", "d_steps": 2, "on_nonfinite": "skip"},
            marks=pytest.mark.stress,
        ),
    ],
)
def test_make_population_trains_each_member_as_a_single_gan(options, tmp_path):
    states = train_population(tmp_path / "all", 5, **options)
    for i in (0, 2):
        single_options = TrainOptions(seed=5 + i, steps=5, steps_per_block=3, **options)
        gan = build_member(member_hyperparams(i))
        single, _ = train(gan, SOURCE, tmp_path / str(i), single_options)
        member = jax.tree.map(lambda x, i=i: x[i], states.replace(hyperparams=None))
        chex.assert_trees_all_close(member, single, rtol=1e-4, atol=1e-6)

    # Member 1 has a learning rate of 0.
    initial = make_population(build_member, HYPERPARAMS).init(make_rng_streams(6).init, REAL)
    assert_same_bits(jax.tree.map(lambda x: x[1], states.d.params), initial.d.params)

    train_population(tmp_path / "resumed", 2, **options)
    assert_same_bits(train_population(tmp_path / "resumed", 5, **options), states)


def test_make_population_init_sets_the_hyperparams_of_the_first_member():
    state = make_population(build_member, HYPERPARAMS).init(jax.random.key(0), REAL)
    chex.assert_trees_all_close(state.hyperparams, member_hyperparams(0))


def test_make_population_raises_if_first_axes_do_not_match():
    with pytest.raises(ConfigError, match=r"hyperparams have first axes \[\(2,\), \(3,\)\]"):
        make_population(build_member, HYPERPARAMS | {"gamma": [1.0, 2.0]})
    with pytest.raises(ConfigError, match="expected one length"):
        make_population(build_member, {"learning_rate": 1e-3, "gamma": 1.0})


@pytest.mark.parametrize("num_seeds", [2, None])
def test_train_raises_if_num_seeds_is_not_the_number_of_members(num_seeds, tmp_path):
    with pytest.raises(ConfigError, match=f"num_seeds is {num_seeds}, expected 3"):
        train_population(tmp_path, 1, num_seeds=num_seeds)


def test_train_raises_if_the_checkpoint_has_other_hyperparams(tmp_path):
    train_population(tmp_path, 1)
    with pytest.raises(CheckpointError, match="have the hyperparameters"):
        train_population(tmp_path, 2, HYPERPARAMS | {"gamma": [1.0, 1.0, 1.0]})
