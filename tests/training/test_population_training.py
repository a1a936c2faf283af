import jax
import numpy as np
import pytest

from jaxgan import make_population, optimizers
from jaxgan.errors import TrainingError
from jaxgan.training import metric_log
from jaxgan.training.callbacks import Callbacks
from jaxgan.training.checkpoints import Checkpoints
from jaxgan.training.loop import train
from jaxgan.training.options import TrainOptions
from tests.helpers.networks import assert_same_bits, tiny_gan, tiny_source

SOURCE = tiny_source()  # 5 train steps per epoch
GAN = tiny_gan(ema_half_life=100.0)


def run(workdir, steps, *, gan=GAN, options=(), **callbacks):
    """Trains with the given callbacks, silently by default; `options` are those of the loop."""
    options = TrainOptions(steps=steps, **({"steps_per_block": 3} | dict(options)))
    return train(gan, SOURCE, workdir, options, Callbacks(**({"progress": None} | callbacks)))


@pytest.mark.default_xla
def test_train_num_seeds_trains_each_member_as_if_alone(tmp_path):
    states, step = run(tmp_path / "all", 7, options={"seed": 5, "num_seeds": 4})
    assert step == 7
    assert all(len(x.sharding.device_set) == 2 for x in jax.tree.leaves(states))
    losses = []
    for member in (0, 3):
        workdir = tmp_path / str(member)
        alone, _ = run(workdir, 7, options={"seed": 5 + member})
        assert_same_bits(jax.tree.map(lambda x, m=member: x[m], states), alone)
        losses.append(metric_log.read_columns(workdir / "metrics.jsonl")["d_loss"])
    assert not np.array_equal(*losses)
    metrics = metric_log.read_columns(tmp_path / "all" / "metrics.jsonl")
    assert metrics["d_loss"].shape == (7,)
    assert metrics["d_finite"].all()
    assert metrics["d_finite"].dtype == bool


@pytest.mark.stress
@pytest.mark.default_xla
def test_train_resumes_a_population_with_the_same_bits(tmp_path):
    options = {"num_seeds": 4}
    whole, _ = run(tmp_path / "whole", 7, options=options)
    run(tmp_path / "parts", 4, options=options)
    parts, _ = run(tmp_path / "parts", 7, options=options)
    assert_same_bits(parts, whole)
    texts = [(tmp_path / name / "metrics.jsonl").read_text() for name in ("whole", "parts")]
    assert texts[0] == texts[1]


def test_probe_of_a_population_is_mapped_over_the_members(tmp_path):
    def probe(state, key):
        samples = GAN.sample(state, key, 4)
        return {"mean": samples.mean(), "first": samples[0, 0, :2, 0]}

    run(tmp_path, 2, probe=probe, options={"num_seeds": 3, "probe_every": 2})
    probes = metric_log.read_columns(tmp_path / "probes.jsonl")
    assert probes["mean"].shape == (2, 3)
    assert probes["first"].shape == (2, 3, 2)


def test_draw_and_evaluate_get_a_leading_axis_of_members(tmp_path):
    shapes = {}

    def draw(state, key, step):
        shapes["draw"] = (state.g.step.shape, key.shape)

    def evaluate(state, key):
        shapes["evaluate"] = (state.g.step.shape, key.shape)
        return {"score": 1.0}

    run(tmp_path, 2, draw=draw, evaluate=evaluate, options={"num_seeds": 3})
    assert shapes == {"draw": ((3,), (3,)), "evaluate": ((3,), (3,))}


def test_train_stops_if_one_member_is_not_finite(tmp_path):
    def build_member(hyperparams):
        return tiny_gan(g_tx=optimizers.adam(hyperparams["learning_rate"]))

    gan = make_population(build_member, {"learning_rate": [1e-3, float("inf")]})
    log = []
    match = r"is not finite\. Not finite are .*No checkpoint was saved"
    with pytest.raises(TrainingError, match=match):
        run(tmp_path, 5, gan=gan, options={"num_seeds": 2}, log=log.append)
    with Checkpoints(tmp_path / "checkpoints") as checkpoints:
        assert checkpoints.all_steps == []


@pytest.mark.parametrize("num_devices", [pytest.param(1, marks=pytest.mark.stress), 2])
def test_train_leaves_the_hyperparams_of_the_gan_for_the_next_run(tmp_path, num_devices):
    def build_member(hyperparams):
        return tiny_gan(g_tx=optimizers.adam(hyperparams["learning_rate"]))

    gan = make_population(build_member, {"learning_rate": [1e-3, 1e-4]})
    options = {"num_seeds": 2, "num_devices": num_devices}
    run(tmp_path, 2, gan=gan, options=options)
    states, step = run(tmp_path, 4, gan=gan, options=options)
    assert step == 4
    rates = states.hyperparams["learning_rate"]
    np.testing.assert_array_equal(rates, gan.hyperparams["learning_rate"])


@pytest.mark.default_xla
@pytest.mark.stress
def test_train_resumes_a_population_of_a_game_optimizer_with_the_same_bits(tmp_path):
    tx = optimizers.optimistic(optimizers.adam(1e-3, b1=-0.5))
    gan = tiny_gan(d_tx=tx, g_tx=tx)
    options = {"num_seeds": 2, "update_order": "extragradient", "d_steps": 2}
    whole, _ = run(tmp_path / "whole", 4, gan=gan, options=options)
    run(tmp_path / "parts", 3, gan=gan, options=options)
    resumed, step = run(tmp_path / "parts", 4, gan=gan, options=options)
    assert step == 4
    assert (resumed.d.step == 4).all()  # the extrapolations are not counted
    assert_same_bits(resumed, whole)
