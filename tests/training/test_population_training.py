"""What the loop does for several GANs at once, and what it measures of their samples."""

import jax
import numpy as np
import pytest

from jaxgan import losses, make_gan, models, optimizers, priors
from jaxgan.data.sources import array_source
from jaxgan.training import metric_log
from jaxgan.training.loop import train
from tests.helpers.networks import SHAPE, assert_same_bits

SOURCE = array_source(
    np.random.default_rng(0).integers(0, 256, (40, *SHAPE), np.uint8), 8
)  # 5 steps an epoch
TX = optimizers.adam(1e-3)
GAN = make_gan(
    models.MLPGenerator(shape=SHAPE, widths=(8,)),
    models.MLPDiscriminator(widths=(8,)),
    losses.non_saturating,
    TX,
    TX,
    priors.uniform(4),
    ema_half_life=100.0,
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
    recorded = metric_log.read_columns(tmp_path / "all" / "metrics.jsonl")
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
    probed = metric_log.read_columns(tmp_path / "whole" / "probes.jsonl")
    assert probed["step"].tolist() == [0, 2, 4, 5, 7, 9, 10, 12]
    assert probed["first"].shape == (8, 2)
    assert len(set(probed["mean"])) == 8


def test_probes_of_a_population_are_of_each_member(tmp_path):
    run(tmp_path, 2, seeds=3, probe=probe, probe_every=2)
    probed = metric_log.read_columns(tmp_path / "probes.jsonl")
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
