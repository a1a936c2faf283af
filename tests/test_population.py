"""Members of a population that differ in numbers, such as learning rates."""

import chex
import jax
import numpy as np
import pytest

from jaxgan import losses, make_gan, make_population, models, optimizers, penalties, priors
from jaxgan.data.sources import array_source
from jaxgan.errors import CheckpointError, ConfigError
from jaxgan.training.loop import train
from jaxgan.training.rng import make_rng_streams
from tests.helpers.networks import SHAPE, assert_same_bits

SOURCE = array_source(
    np.random.default_rng(0).integers(0, 256, (40, *SHAPE), np.uint8), 8
)  # 5 steps an epoch
NUMBERS = {"learning_rate": [1e-3, 0.0, 1e-2], "gamma": [0.5, 1.0, 2.0]}


def of_numbers(numbers):
    """Players with a learning rate and a penalty of their own; a GAN once more in plain numbers."""
    tx = optimizers.adam(numbers["learning_rate"])
    networks = models.MLPGenerator(shape=SHAPE, widths=(8,)), models.MLPDiscriminator(widths=(8,))
    penalty = penalties.r1(numbers["gamma"])
    return make_gan(
        *networks,
        losses.non_saturating,
        tx,
        tx,
        priors.uniform(4),
        penalty=penalty,
        ema_half_life=10.0,
    )


@pytest.mark.parametrize("options", [{"order": "simultaneous", "d_steps": 2, "on_nan": "skip"}])
def test_members_with_numbers_of_their_own_are_runs_with_those(options, tmp_path):
    def all_of_them(workdir, steps):
        gan = make_population(of_numbers, NUMBERS)
        return train(gan, SOURCE, workdir, seed=5, seeds=3, steps=steps, block=3, **options)[0]

    states = all_of_them(tmp_path / "all", 5)
    for i in (0, 2):
        gan = of_numbers({name: values[i] for name, values in NUMBERS.items()})
        alone, _ = train(gan, SOURCE, tmp_path / str(i), seed=5 + i, steps=5, block=3, **options)
        member = jax.tree.map(lambda x, i=i: x[i], states.replace(hyperparams=None))
        chex.assert_trees_all_close(member, alone, rtol=1e-4, atol=1e-6)
    start = make_population(of_numbers, NUMBERS).init(
        make_rng_streams(6).init, np.zeros((8, *SHAPE), np.float32)
    )
    assert_same_bits(
        jax.tree.map(lambda x: x[1], states.d.params), start.d.params
    )  # a learning rate of 0
    all_of_them(tmp_path / "parts", 2)
    assert_same_bits(all_of_them(tmp_path / "parts", 5), states)


def test_numbers_that_do_not_fit_are_refused(tmp_path):
    gan = make_population(of_numbers, NUMBERS)
    with pytest.raises(ConfigError, match="seeds is 2, expected 3, as many as the GAN has members"):
        train(gan, SOURCE, tmp_path, seed=0, seeds=2, steps=1)
    with pytest.raises(ConfigError, match="seeds is None, expected 3"):
        train(gan, SOURCE, tmp_path, seed=0, steps=1)
    with pytest.raises(ConfigError, match=r"numbers have first axes \[\(2,\), \(3,\)\]"):
        make_population(of_numbers, NUMBERS | {"gamma": [1.0, 2.0]})
    with pytest.raises(ConfigError, match="expected one length"):
        make_population(of_numbers, {"learning_rate": 1e-3, "gamma": 1.0})
    train(gan, SOURCE, tmp_path, seed=0, seeds=3, steps=1)
    with pytest.raises(
        CheckpointError, match="the members of the newest checkpoint have other numbers"
    ):
        train(
            make_population(of_numbers, NUMBERS | {"gamma": [1.0, 1.0, 1.0]}),
            SOURCE,
            tmp_path,
            seed=0,
            seeds=3,
            steps=2,
        )
