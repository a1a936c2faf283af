import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.errors import TrainingError
from jaxgan.training import metric_log
from jaxgan.training.callbacks import Callbacks
from jaxgan.training.checkpoints import Checkpoints
from jaxgan.training.loop import train
from jaxgan.training.nonfinite import (
    Failure,
    NonfiniteCounter,
    describe_nonfinite,
    failure_message,
    skip_nonfinite_updates,
)
from jaxgan.training.options import TrainOptions
from tests.helpers.networks import assert_same_bits, real_batch, small_gan, tiny_source

PLAIN_GAN = small_gan(ema_half_life=100.0)
SKIPPING_GAN = skip_nonfinite_updates(PLAIN_GAN)
NAN_BATCH = real_batch().at[0, 0, 0, 0].set(jnp.nan)


def init_state():
    return PLAIN_GAN.init(jax.random.key(0), real_batch())


def nan_source(first, last, repeats=1):
    """Returns a source whose batches `first` to `last` of every epoch are NaN."""
    source = tiny_source(repeats=repeats)

    def batch(arrays, order, key, index):
        real, condition = source.batch(arrays, order, key, index)
        return jnp.where((index >= first) & (index <= last), jnp.nan, real), condition

    return source._replace(batch=batch)


def test_skip_nonfinite_updates_leaves_the_network_unchanged():
    state, key = init_state(), jax.random.key(1)
    updated, metrics = SKIPPING_GAN.d_step(state, NAN_BATCH, key)
    assert not metrics["finite"]
    assert_same_bits(updated, state)
    updated, metrics = SKIPPING_GAN.step(state, NAN_BATCH, key)
    assert not metrics["d"]["finite"]
    assert not metrics["g"]["finite"]
    assert_same_bits(updated, state)


def test_skip_nonfinite_updates_does_not_skip_the_other_network():
    state, key = init_state(), jax.random.key(1)
    nan_params = jax.tree.map(lambda x: x * jnp.nan, state.d.params)
    nan_state = state.replace(d=state.d.replace(params=nan_params))
    updated, metrics = SKIPPING_GAN.g_step(nan_state, real_batch(), key)
    assert not metrics["finite"]
    assert_same_bits((updated.g, updated.g_ema), (state.g, state.g_ema))
    updated, _ = SKIPPING_GAN.d_step(state, real_batch(), key)
    assert int(updated.d.step) == 1


@pytest.mark.parametrize(
    ("name", "options"),
    [
        ("d_step", {}),
        ("g_step", {}),
        ("step", {}),
        pytest.param("step", {"simultaneous": True}, marks=pytest.mark.stress),
    ],
)
def test_skip_nonfinite_updates_does_not_change_finite_updates(name, options):
    state, key = init_state(), jax.random.key(1)
    skipping, plain = (
        getattr(gan, name)(state, real_batch(), key, **options) for gan in (SKIPPING_GAN, PLAIN_GAN)
    )
    for x, y in zip(jax.tree.leaves(skipping), jax.tree.leaves(plain), strict=True):
        np.testing.assert_allclose(x, y, rtol=1e-5, atol=1e-6)


def test_skip_nonfinite_updates_of_a_simultaneous_step_hides_the_bad_update_from_the_generator():
    state = init_state()
    updated, metrics = SKIPPING_GAN.step(state, NAN_BATCH, jax.random.key(1), simultaneous=True)
    assert (bool(metrics["d"]["finite"]), bool(metrics["g"]["finite"])) == (False, True)
    assert_same_bits(updated.d, state.d)
    assert int(updated.g.step) == 1


def test_nonfinite_counter_counts_consecutive_steps_of_each_network():
    def rows(*pairs):
        return [{"d_finite": d, "g_finite": g} for d, g in pairs]

    good, bad_d, bad_g, bad = (True, True), (False, True), (True, False), (False, False)
    assert NonfiniteCounter(0).first_failure(0, rows(good)) is None
    failure = NonfiniteCounter(0).first_failure(7, rows(good, bad_d))
    assert failure == Failure(9, ["d"], {"d_finite": False, "g_finite": True})
    assert NonfiniteCounter(0).first_failure(0, rows(bad)).networks == ["d", "g"]
    counter = NonfiniteCounter(2)
    assert counter.first_failure(0, rows(bad, bad_d, bad_g)) is None
    assert counter.first_failure(3, rows(bad_g)) is None
    failure = counter.first_failure(4, rows(good, bad_d, bad, bad))
    assert (failure.step, failure.networks) == (8, ["d"])


def test_find_nonfinite_names_the_first_metric_and_the_first_array():
    state = init_state()
    row = {"d_real_logits": 0.5, "d_loss": 1.0, "d_grad_norm": np.inf, "g_loss": np.nan}
    assert describe_nonfinite(row, state) == "d_grad_norm and 1 more metrics"
    assert describe_nonfinite(row | {"g_loss": 0.0}, state) == "d_grad_norm"
    nan_state = state.replace(g_ema=jax.tree.map(lambda x: x * jnp.nan, state.g_ema))
    found = describe_nonfinite(row, nan_state)
    assert found.startswith("d_grad_norm and 1 more metrics, .g_ema['")
    assert found.endswith(" more arrays")


@pytest.mark.parametrize(
    ("on_nonfinite", "saved", "parts"),
    [
        (
            "stop",
            [],
            ["would stop at the same step", "--on-nonfinite skip", "No checkpoint was saved"],
        ),
        ("skip", [5, 10], ["More than 20 train steps in a row", "checkpoint is of step 10"]),
    ],
)
def test_failure_message_gives_the_step_the_advice_and_the_latest_checkpoint(
    on_nonfinite, saved, parts
):
    message = failure_message(Failure(12, ["d", "g"], {}), "d_loss", on_nonfinite, saved)
    assert message.startswith(
        "step 12: the loss or gradient of the discriminator and the generator is not finite. Not "
        "finite are d_loss."
    )
    assert all(part in message for part in parts)


def test_train_stops_at_a_nan_and_keeps_the_checkpoint_before_it(tmp_path):
    source = tiny_source()

    def order(key, epoch):
        return source.order(key, epoch), epoch

    def batch(arrays, order, key, index):
        real, condition = source.batch(arrays, order[0], key, index)
        return jnp.where((order[1] == 1) & (index == 3), jnp.nan, real), condition

    source_with_nan = source._replace(order=order, batch=batch)
    messages = []
    callbacks = Callbacks(progress=None, log=messages.append)
    match = r"step 9: .* and the generator is not finite\..*The latest checkpoint is of step 5"
    with pytest.raises(TrainingError, match=match) as info:
        train(PLAIN_GAN, source_with_nan, tmp_path, TrainOptions(steps=10), callbacks)
    assert [text for text in messages if "not finite" in text] == [
        "A loss or gradient of step 9 is not finite. Replaying the run from the latest checkpoint "
        "to find the first such metric and array."
    ]
    assert "are d_real_logits and 5 more metrics, .d.params['" in str(info.value)
    with Checkpoints(tmp_path / "checkpoints") as checkpoints:
        assert checkpoints.all_steps == [5]


def test_train_on_nonfinite_skip_logs_skipped_steps_and_goes_on(tmp_path):
    options = TrainOptions(steps=30, on_nonfinite="skip")
    source = nan_source(3, 6, repeats=6)  # 30 train steps per epoch
    state, step = train(PLAIN_GAN, source, tmp_path, options, Callbacks(progress=None))
    assert step == 30
    assert int(state.d.step) == int(state.g.step) == 26
    metrics = metric_log.read_columns(tmp_path / "metrics.jsonl")
    assert metrics["step"][~metrics["d_finite"]].tolist() == [4, 5, 6, 7]
    assert all(bool(jnp.isfinite(x).all()) for x in jax.tree.leaves(state))


def test_train_on_nan_skip_stops_after_too_many_consecutive_skips(tmp_path):
    options = TrainOptions(steps=30, on_nonfinite="skip")
    callbacks = Callbacks(progress=None, log=lambda text: None)
    match = r"step 24: .*are d_real_logits and .*More than 20 train steps in a row"
    with pytest.raises(TrainingError, match=match):
        train(PLAIN_GAN, nan_source(3, 29, repeats=6), tmp_path, options, callbacks)
