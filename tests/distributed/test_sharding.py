"""Many devices, same result."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan import losses, make_gan, models, optimizers, penalties, priors
from jaxgan.data.sources import array_source
from jaxgan.distributed.sharding import BATCH_SPEC, MEMBER_SPEC, make_mesh, shard_batch
from jaxgan.errors import ConfigError
from jaxgan.training import metric_log
from jaxgan.training.loop import train
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
    ema_half_life=100.0,
)


def run(workdir, steps, **options):
    return train(GAN, SOURCE, workdir, **({"seed": 0, "steps": steps, "block": 3} | options))


@pytest.mark.parametrize("stops", [((7, 2),), ((4, 2), (7, 1)), ((4, 1), (7, 2))])
def test_losses_do_not_depend_on_the_number_of_devices(tmp_path, stops):
    for workdir, parts in (("alone", ((7, 1),)), ("shared", stops)):
        for steps, devices in parts:
            run(tmp_path / workdir, steps, devices=devices)
    alone, shared = (
        metric_log.read_columns(tmp_path / name / "metrics.jsonl") for name in ("alone", "shared")
    )
    assert shared["step"].tolist() == list(range(1, 8))
    for name in ("d_loss", "d_penalty", "d_grad_norm", "g_loss", "g_grad_norm"):
        np.testing.assert_allclose(shared[name], alone[name], rtol=1e-4, err_msg=name)


def test_going_on_with_as_many_devices_leads_to_the_same_bits(tmp_path):
    for steps in (3, 7):
        parts, _ = run(tmp_path / "parts", steps, devices=2)
    assert_same_bits(parts, run(tmp_path / "whole", 7, devices=2)[0])


def test_each_device_computes_with_rows_of_its_own():
    state, key = GAN.init(jax.random.key(0), jnp.zeros((1, *SHAPE))), jax.random.key(1)

    def work(devices):
        with jax.set_mesh(make_mesh(BATCH_SPEC, 512, devices)):
            compiled = GAN.step.lower(state, jnp.zeros((512, *SHAPE)), key).compile()
        return compiled.cost_analysis()["flops"], compiled.as_text()

    alone, together = work(1), work(2)
    assert together[0] < 0.6 * alone[0]
    assert "all-reduce" in together[1]
    assert "all-reduce" not in alone[1]


def test_what_cannot_be_shared_out_stays_as_it_is():
    with jax.set_mesh(make_mesh(BATCH_SPEC, 8, 2)):
        assert shard_batch(jnp.zeros(3)).is_fully_replicated
        assert not shard_batch(jnp.zeros(4)).is_fully_replicated
    assert shard_batch(jnp.zeros(4)).is_fully_replicated


@pytest.mark.parametrize(
    ("share", "num", "devices", "said"),
    [
        (BATCH_SPEC, 8, 3, "devices is 3, expected 1 to 2"),
        (BATCH_SPEC, 8, 0, "devices is 0"),
        (MEMBER_SPEC, 5, 2, "by which 5 cannot be divided"),
    ],
)
def test_impossible_shares_are_refused(share, num, devices, said):
    with pytest.raises(ConfigError, match=said):
        make_mesh(share, num, devices)


def test_unset_takes_what_can_be_used():
    sizes = [
        make_mesh(*arguments).size
        for arguments in ((BATCH_SPEC, 8), (MEMBER_SPEC, 8), (MEMBER_SPEC, 3))
    ]
    assert sizes == [1, 2, 1]
