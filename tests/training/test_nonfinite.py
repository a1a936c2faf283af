"""What happens where a loss or a gradient is not finite."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.data.sources import array_source
from jaxgan.errors import TrainingError
from jaxgan.training import metric_log
from jaxgan.training.loop import train
from jaxgan.training.nonfinite import NonfiniteCounter, skip_nonfinite_updates
from tests.helpers.networks import SHAPE, assert_same_bits, real_batch, small_gan

PLAIN = small_gan(ema_half_life=100.0)
GAN = skip_nonfinite_updates(PLAIN)
BAD = real_batch().at[0, 0, 0, 0].set(jnp.nan)


def start():
    return PLAIN.init(jax.random.key(0), real_batch())


def test_a_bad_update_leaves_the_player_as_it_was():
    state, key = start(), jax.random.key(1)
    moved, metrics = GAN.d_step(state, BAD, key)
    assert not metrics["finite"]
    assert_same_bits(moved, state)
    moved, metrics = GAN.step(state, BAD, key)
    assert not metrics["d"]["finite"]
    assert not metrics["g"]["finite"]
    assert_same_bits(moved, state)


def test_one_bad_player_does_not_hold_up_the_other():
    state, key = start(), jax.random.key(1)
    spoiled = state.replace(
        d=state.d.replace(params=jax.tree.map(lambda x: x * jnp.nan, state.d.params))
    )
    moved, metrics = GAN.g_step(spoiled, real_batch(), key)
    assert not metrics["finite"]
    assert_same_bits((moved.g, moved.g_ema), (state.g, state.g_ema))
    moved, _ = GAN.d_step(state, real_batch(), key)
    assert int(moved.d.step) == 1


@pytest.mark.parametrize(
    ("name", "options"),
    [("d_step", {}), ("g_step", {}), ("step", {}), ("step", {"simultaneous": True})],
)
def test_good_updates_are_what_they_were(name, options):
    state, key = start(), jax.random.key(1)
    skipping, plain = (
        getattr(gan, name)(state, real_batch(), key, **options) for gan in (GAN, PLAIN)
    )
    for one, two in zip(jax.tree.leaves(skipping), jax.tree.leaves(plain), strict=True):
        np.testing.assert_allclose(one, two, rtol=1e-5, atol=1e-6)


def test_a_generator_that_moves_at_the_same_time_does_not_see_the_bad_update():
    state = start()
    moved, metrics = GAN.step(state, BAD, jax.random.key(1), simultaneous=True)
    assert (bool(metrics["d"]["finite"]), bool(metrics["g"]["finite"])) == (False, True)
    assert_same_bits(moved.d, state.d)
    assert int(moved.g.step) == 1


def test_patience_counts_each_player_in_a_row():
    def lines(*pairs):
        return [{"d_finite": d, "g_finite": g} for d, g in pairs]

    assert NonfiniteCounter(0).lost(lines((True, True))) is None
    assert NonfiniteCounter(0).lost(lines((True, True), (False, True))) == (1, ["d"])
    patience = NonfiniteCounter(2)
    assert patience.lost(lines((False, False), (False, True), (True, False))) is None
    assert patience.lost(lines((True, False))) is None
    assert patience.lost(lines((True, True), (False, True), (False, False), (False, False))) == (
        3,
        ["d"],
    )


def poisoned(*bad):
    """Batches of images, those with some places in the epoch spoiled."""
    source = array_source(
        np.random.default_rng(0).integers(0, 256, (240, *SHAPE), np.uint8), 8
    )  # 30 an epoch

    def batch(arrays, order, key, index):
        real, condition = source.batch(arrays, order, key, index)
        return jnp.where((index >= bad[0]) & (index <= bad[1]), jnp.nan, real), condition

    return source._replace(batch=batch)


def test_skipped_steps_are_recorded_and_the_run_goes_on(tmp_path):
    state, step = train(PLAIN, poisoned(3, 6), tmp_path, seed=0, steps=30, on_nan="skip")
    assert step == 30
    assert int(state.d.step) == int(state.g.step) == 26
    recorded = metric_log.read_columns(tmp_path / "metrics.jsonl")
    assert recorded["step"][~recorded["d_finite"]].tolist() == [4, 5, 6, 7]
    assert all(bool(jnp.isfinite(x).all()) for x in jax.tree.leaves(state))


def test_too_many_in_a_row_stop_the_run(tmp_path):
    with pytest.raises(
        TrainingError,
        match=r"step 24: .*first d_real_logits and .*more than 20 train steps in a row",
    ):
        train(
            PLAIN,
            poisoned(3, 29),
            tmp_path,
            seed=0,
            steps=30,
            on_nan="skip",
            tell=lambda text: None,
        )
