"""Training on several devices gives the results of training on one."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan import augment, losses, make_gan, models, optimizers, penalties, priors
from jaxgan.data.sources import array_source
from jaxgan.distributed import (
    BATCH_SPEC,
    MEMBER_SPEC,
    make_mesh,
    replicate,
    select_member,
    shard_batch,
    state_sharding,
    to_global,
    to_host_local,
)
from jaxgan.errors import ConfigError
from jaxgan.training import TrainOptions, read_columns, train
from tests.helpers.networks import SHAPE, assert_same_bits

SOURCE = array_source(np.random.default_rng(0).integers(0, 256, (40, *SHAPE), np.uint8), 8)
TX = optimizers.adam(1e-3)
GAN = make_gan(
    models.MLPGenerator(shape=SHAPE, widths=(8,), batch_norm=True),
    models.MLPDiscriminator(widths=(8,)),
    losses.non_saturating,
    TX,
    TX,
    priors.uniform(4),
    penalty=penalties.subsample(penalties.r1(1.0), 4),
    augment=augment.diff_augment(("color",)),
    ema_half_life=100.0,
)


def run(workdir, steps, num_devices):
    options = TrainOptions(steps=steps, steps_per_block=3, num_devices=num_devices)
    return train(GAN, SOURCE, workdir, options)[0]


# Each run is a sequence of (last train step, number of devices).
@pytest.mark.parametrize(
    "parts",
    [
        ((4, 2), (7, 1)),
        pytest.param(((4, 1), (7, 2)), marks=pytest.mark.stress),
        pytest.param(((7, 2),), marks=pytest.mark.stress),
    ],
)
def test_train_losses_do_not_depend_on_the_number_of_devices(tmp_path, parts):
    for name, sequence in (("one", ((7, 1),)), ("several", parts)):
        for steps, num_devices in sequence:
            run(tmp_path / name, steps, num_devices)
    one, several = (read_columns(tmp_path / name / "metrics.jsonl") for name in ("one", "several"))
    assert several["step"].tolist() == list(range(1, 8))
    for name in ("d_loss", "d_penalty", "d_grad_norm", "g_loss", "g_grad_norm"):
        np.testing.assert_allclose(several[name], one[name], rtol=1e-4, err_msg=name)


@pytest.mark.stress
def test_train_resumed_on_as_many_devices_gives_the_same_bits(tmp_path):
    run(tmp_path / "resumed", 3, num_devices=2)
    resumed = run(tmp_path / "resumed", 7, num_devices=2)
    assert_same_bits(resumed, run(tmp_path / "uninterrupted", 7, num_devices=2))


@pytest.mark.stress
def test_gan_step_divides_its_work_over_the_devices():
    state, key = GAN.init(jax.random.key(0), jnp.zeros((1, *SHAPE))), jax.random.key(1)

    def compile_step(num_devices):
        with jax.set_mesh(make_mesh(BATCH_SPEC, 512, num_devices)):
            compiled = GAN.step.lower(state, jnp.zeros((512, *SHAPE)), key).compile()
        return compiled.cost_analysis()["flops"], compiled.as_text()

    (flops_1, program_1), (flops_2, program_2) = compile_step(1), compile_step(2)
    assert flops_2 < 0.6 * flops_1
    assert "all-reduce" in program_2
    assert "all-reduce" not in program_1


def test_shard_batch_shards_even_batches_only():
    with jax.set_mesh(make_mesh(BATCH_SPEC, 8, 2)):
        assert shard_batch(jnp.zeros(3)).is_fully_replicated
        assert not shard_batch(jnp.zeros(4)).is_fully_replicated
        assert replicate(shard_batch(jnp.zeros(4))).is_fully_replicated
    assert shard_batch(jnp.zeros(4)).is_fully_replicated


@pytest.mark.parametrize("spec", [BATCH_SPEC, MEMBER_SPEC])
def test_to_global_and_to_host_local_keep_the_values(spec):
    tree = {"x": np.arange(8.0).reshape(4, 2)}
    mesh = make_mesh(spec, 4, 2)
    placed = to_global(tree, state_sharding(mesh))
    assert placed["x"].is_fully_replicated == (spec == BATCH_SPEC)
    np.testing.assert_array_equal(to_host_local(placed)["x"], tree["x"])
    member = select_member(placed, 1)["x"]
    assert member.devices() == {jax.local_devices()[0]}
    np.testing.assert_array_equal(member, tree["x"][1])


@pytest.mark.parametrize(
    ("spec", "size", "num_devices", "message"),
    [
        (BATCH_SPEC, 8, 3, "num_devices is 3, expected 1 to 2, the number of devices"),
        (BATCH_SPEC, 8, 0, "num_devices is 0, expected 1 to 2"),
        (BATCH_SPEC, 5, 2, "num_devices is 2, which does not divide the batch size 5"),
        (MEMBER_SPEC, 5, 2, "num_devices is 2, which does not divide the number of seeds 5"),
    ],
)
def test_make_mesh_rejects_an_unsuitable_number_of_devices(spec, size, num_devices, message):
    with pytest.raises(ConfigError, match=message):
        make_mesh(spec, size, num_devices)


@pytest.mark.parametrize(
    ("spec", "size", "num_devices"), [(BATCH_SPEC, 8, 1), (MEMBER_SPEC, 8, 2), (MEMBER_SPEC, 3, 1)]
)
def test_make_mesh_chooses_the_number_of_devices(spec, size, num_devices):
    assert make_mesh(spec, size).size == num_devices
