"""What the loop does for several GANs at once, and what it measures of their samples."""

import chex
import jax
import numpy as np
import pytest
from toys import SHAPE, assert_same_bits

from jaxgan import history, losses, make_gan, models, optimizers, penalties, priors, vary
from jaxgan.data.sources import image_source
from jaxgan.errors import CheckpointError, ConfigError
from jaxgan.keys import run_keys
from jaxgan.training import train

SOURCE = image_source(np.random.default_rng(0).integers(0, 256, (40, *SHAPE), np.uint8), 8)  # 5 steps an epoch
TX = optimizers.adam(1e-3)
GAN = make_gan(
    models.MLPGenerator(shape=SHAPE, widths=(8,)),
    models.MLPDiscriminator(widths=(8,)),
    losses.non_saturating,
    TX,
    TX,
    priors.uniform(4),
    half_life_images=100.0,
)


def run(workdir, steps, **options):
    return train(GAN, SOURCE, workdir, **({"seed": 0, "steps": steps, "block": 3} | options))


def test_members_of_a_population_are_the_runs_of_their_seeds(tmp_path):
    states, step = run(tmp_path / "all", 7, seed=5, seeds=4)
    assert step == 7
    assert all(len(x.sharding.device_set) == 2 for x in jax.tree.leaves(states))
    for member in (0, 3):
        alone, _ = run(tmp_path / str(member), 7, seed=5 + member)
        assert_same_bits(jax.tree.map(lambda x, m=member: x[m], states), alone)
    recorded = history.read(tmp_path / "all" / "metrics.jsonl")
    assert recorded["d_loss"].shape == (7,)
    assert recorded["d_finite"].all()
    assert recorded["d_finite"].dtype == bool


def test_an_interrupted_population_goes_on_with_the_same_bits(tmp_path):
    whole, _ = run(tmp_path / "whole", 7, seeds=4)
    run(tmp_path / "parts", 4, seeds=4)
    parts, _ = run(tmp_path / "parts", 7, seeds=4)
    assert_same_bits(parts, whole)
    written = [(tmp_path / name / "metrics.jsonl").read_text() for name in ("whole", "parts")]
    assert written[0] == written[1]


def probe(state, key):
    samples = GAN.sample(state, key, 4)
    return {"mean": samples.mean(), "first": samples[0, 0, :2, 0]}


@pytest.mark.parametrize("stops", [(7,), (3, 9)])
def test_probes_do_not_depend_on_blocks_and_stops(tmp_path, stops):
    for workdir, ends, block in (("whole", (13,), 3), ("parts", (*stops, 13), 2)):
        for steps in ends:
            run(tmp_path / workdir, steps, block=block, probe=probe, probe_every=2)
    whole, parts = ((tmp_path / name / "probes.jsonl").read_text() for name in ("whole", "parts"))
    assert whole == parts
    probed = history.read(tmp_path / "whole" / "probes.jsonl")
    assert probed["step"].tolist() == [0, 2, 4, 5, 7, 9, 10, 12]
    assert probed["first"].shape == (8, 2)
    assert len(set(probed["mean"])) == 8


def test_probes_of_a_population_are_of_each_member(tmp_path):
    run(tmp_path, 2, seeds=3, probe=probe, probe_every=2)
    probed = history.read(tmp_path / "probes.jsonl")
    assert probed["mean"].shape == (2, 3)
    assert probed["first"].shape == (2, 3, 2)


def test_a_run_that_stopped_before_its_first_checkpoint_begins_anew(tmp_path):
    def stop(progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "parts", 5, probe=probe, probe_every=2, report=stop)
    for workdir in ("parts", "whole"):
        run(tmp_path / workdir, 5, probe=probe, probe_every=2)
    for name in ("metrics.jsonl", "probes.jsonl"):
        assert (tmp_path / "parts" / name).read_text() == (tmp_path / "whole" / name).read_text()


NUMBERS = {"learning_rate": [1e-3, 0.0, 1e-2], "gamma": [0.5, 1.0, 2.0]}


def of_numbers(numbers):
    """Players with a learning rate and a penalty of their own; a GAN once more in plain numbers."""
    tx = optimizers.adam(numbers["learning_rate"])
    networks = models.MLPGenerator(shape=SHAPE, widths=(8,)), models.MLPDiscriminator(widths=(8,))
    penalty = penalties.r1(numbers["gamma"])
    return make_gan(*networks, losses.non_saturating, tx, tx, priors.uniform(4), penalty=penalty, half_life_images=10.0)


@pytest.mark.parametrize("options", [{}, {"order": "simultaneous", "d_steps": 2, "on_nan": "skip"}])
def test_members_with_numbers_of_their_own_are_runs_with_those(options, tmp_path):
    def all_of_them(workdir, steps):
        gan = vary(of_numbers, NUMBERS)
        return train(gan, SOURCE, workdir, seed=5, seeds=3, steps=steps, block=3, **options)[0]

    states = all_of_them(tmp_path / "all", 5)
    for i in range(3):
        gan = of_numbers({name: values[i] for name, values in NUMBERS.items()})
        alone, _ = train(gan, SOURCE, tmp_path / str(i), seed=5 + i, steps=5, block=3, **options)
        member = jax.tree.map(lambda x, i=i: x[i], states.replace(numbers=None))
        chex.assert_trees_all_close(member, alone, rtol=1e-4, atol=1e-6)
    start = vary(of_numbers, NUMBERS).init(run_keys(6).init, np.zeros((8, *SHAPE), np.float32))
    assert_same_bits(jax.tree.map(lambda x: x[1], states.d.params), start.d.params)  # a learning rate of 0
    all_of_them(tmp_path / "parts", 2)
    assert_same_bits(all_of_them(tmp_path / "parts", 5), states)
    images = jax.vmap(lambda state: vary(of_numbers, NUMBERS).sample(state, jax.random.key(0), 2))(states)
    assert images.shape == (3, 2, *SHAPE)


def test_numbers_that_do_not_fit_are_refused(tmp_path):
    gan = vary(of_numbers, NUMBERS)
    with pytest.raises(ConfigError, match="seeds is 2, expected 3, as many as the GAN has members"):
        train(gan, SOURCE, tmp_path, seed=0, seeds=2, steps=1)
    with pytest.raises(ConfigError, match="seeds is None, expected 3"):
        train(gan, SOURCE, tmp_path, seed=0, steps=1)
    with pytest.raises(ConfigError, match=r"numbers have first axes \[\(2,\), \(3,\)\]"):
        vary(of_numbers, NUMBERS | {"gamma": [1.0, 2.0]})
    with pytest.raises(ConfigError, match="expected one length"):
        vary(of_numbers, {"learning_rate": 1e-3, "gamma": 1.0})
    train(gan, SOURCE, tmp_path, seed=0, seeds=3, steps=1)
    with pytest.raises(CheckpointError, match="the members of the newest checkpoint have other numbers"):
        train(vary(of_numbers, NUMBERS | {"gamma": [1.0, 1.0, 1.0]}), SOURCE, tmp_path, seed=0, seeds=3, steps=2)
