import signal

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.data.sources import Source, array_source
from jaxgan.distributed.sharding import BATCH_SPEC, make_mesh
from jaxgan.errors import ConfigError, TrainingError
from jaxgan.train_step import make_train_step
from jaxgan.training import metric_log
from jaxgan.training.blocks import make_train_block, plan_blocks
from jaxgan.training.checkpoints import Checkpoints
from jaxgan.training.loop import restore_or_init, train, zeros_like_batch
from jaxgan.training.rng import make_rng_streams
from tests.helpers.networks import SHAPE, assert_same_bits, small_gan

IMAGES = np.random.default_rng(0).integers(0, 256, (40, *SHAPE), np.uint8)
SOURCE = array_source(IMAGES, 8)  # 5 steps an epoch
GAN = small_gan(ema_half_life=100.0)


def run(workdir, steps, gan=GAN, **options):
    return train(gan, SOURCE, workdir, **({"seed": 0, "steps": steps, "block": 3} | options))


def lines(workdir):
    return (workdir / "metrics.jsonl").read_text()


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Twelve steps without a stop: the folder and the state."""
    workdir = tmp_path_factory.mktemp("whole")
    return workdir, run(workdir, 12)[0]


def test_it_trains_and_keeps_what_it_should(whole):
    workdir, state = whole
    assert int(state.d.step) == int(state.g.step) == 12
    recorded = metric_log.read_columns(workdir / "metrics.jsonl")
    np.testing.assert_array_equal(recorded["step"], np.arange(1, 13))
    assert {
        "d_loss",
        "d_real_probability",
        "d_fake_probability",
        "g_loss",
        "g_grad_norm",
    } <= recorded.keys()
    np.testing.assert_allclose(recorded["d_loss"][0], 2 * np.log(2), atol=0.7)
    timing = metric_log.read_columns(workdir / "timing.jsonl")
    assert timing["steps"].tolist() == [3, 2, 3, 2, 2]
    with Checkpoints(workdir / "checkpoints") as checkpoints:
        assert checkpoints.all_steps == [10, 12]


@pytest.mark.parametrize("stops", [(5,), (1, 7), (10, 11)])
def test_going_on_ends_with_the_same_bits(whole, tmp_path, stops):
    for steps in (*stops, 12):
        state, _ = run(tmp_path, steps, block=2)
    assert_same_bits(state, whole[1])
    assert lines(tmp_path) == lines(whole[0])


@pytest.mark.parametrize("which", [signal.SIGINT, signal.SIGTERM])
def test_an_interrupted_run_is_saved_and_goes_on_with_the_same_bits(whole, tmp_path, which):
    before = signal.getsignal(which)
    state, step = run(tmp_path, 12, report=lambda now: now.step == 8 and signal.raise_signal(which))
    assert step == int(state.g.step) == 8  # blocks of 3 and 2
    with Checkpoints(tmp_path / "checkpoints") as checkpoints:
        assert checkpoints.all_steps == [5, 8]
    assert signal.getsignal(which) is before
    state, step = run(tmp_path, 12)
    assert step == 12
    assert_same_bits(state, whole[1])
    assert lines(tmp_path) == lines(whole[0])


def test_a_second_interrupt_stops_at_once_and_what_is_saved_stays(whole, tmp_path):
    def press_twice(now):
        if now.step == 8:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, 12, report=press_twice)
    assert len(lines(tmp_path).splitlines()) == 8
    state, _ = run(tmp_path, 12)  # from the checkpoint of step 5
    assert_same_bits(state, whole[1])
    assert lines(tmp_path) == lines(whole[0])


def test_seeds_differ(whole, tmp_path):
    state, _ = run(tmp_path, 12, seed=1)
    with pytest.raises(AssertionError):
        assert_same_bits(state, whole[1])


def test_blocks_of_any_lengths_compose_bit_for_bit():
    keys = make_rng_streams(0)
    order = SOURCE.order(keys.order, 0)

    def after(*lengths):
        block = make_train_block(make_train_step(GAN), SOURCE, 5)
        state = GAN.init(jax.random.key(0), jnp.zeros((1, *SHAPE)))
        index, rows = 0, []
        for length in lengths:
            state, metrics = block(
                state, keys, SOURCE.arrays, order, *map(jnp.int32, (0, index, length))
            )
            rows.append(metrics["d"]["loss"][:length])
            index += length
        return state, jnp.concatenate(rows)

    one = after(5)
    for lengths in ((1, 1, 1, 1, 1), (4, 1), (2, 0, 3)):
        assert_same_bits(after(*lengths), one)


def test_a_block_is_traced_once_and_moves_nothing_to_the_device():
    traced = []

    def counting(*arguments):
        traced.append(1)
        return make_train_step(GAN)(*arguments)

    keys = make_rng_streams(0)
    block = make_train_block(counting, SOURCE, 2)
    state = jax.device_put(GAN.init(jax.random.key(0), jnp.zeros((1, *SHAPE))), jax.devices()[0])
    order = SOURCE.order(keys.order, 0)
    numbers = [tuple(map(jnp.int32, n)) for n in ((0, 0, 2), (0, 2, 2), (0, 4, 1))]
    state, _ = block(state, keys, SOURCE.arrays, order, *numbers[0])
    first = len(traced)
    with jax.transfer_guard("disallow"):
        for n in numbers[1:]:
            state, _ = block(state, keys, SOURCE.arrays, order, *n)
    assert len(traced) == first
    assert block._cache_size() == 1


def test_fresh_and_restored_states_run_through_one_program(tmp_path):
    run(tmp_path, 5)
    keys = make_rng_streams(0)
    block = make_train_block(make_train_step(GAN), SOURCE, 2)
    order = SOURCE.order(keys.order, 0)
    with Checkpoints(tmp_path / "checkpoints") as kept, Checkpoints(tmp_path / "none") as none:
        for checkpoints in (kept, none):
            state, _ = restore_or_init(
                GAN, zeros_like_batch(SOURCE), keys, checkpoints, make_mesh(BATCH_SPEC, 8)
            )
            block(state, keys, SOURCE.arrays, order, *map(jnp.int32, (1, 0, 1)))
    assert block._cache_size() == 1


def test_several_updates_a_step_take_a_batch_each(tmp_path):
    state, _ = run(tmp_path, 4, d_steps=2, share_noise=False)
    assert (int(state.d.step), int(state.g.step)) == (8, 4)
    timing = metric_log.read_columns(tmp_path / "timing.jsonl")
    assert timing["steps"].tolist() == [2, 2]  # 5 batches make 2 steps, the last is left out


def test_a_picture_is_drawn_before_its_checkpoint_is_kept(tmp_path):
    def fail(state, key, step):
        if step == 10:
            raise OSError("no space left")

    with pytest.raises(OSError, match="no space left"):
        run(tmp_path, 12, draw=fail)
    with Checkpoints(tmp_path / "checkpoints") as checkpoints:
        assert checkpoints.all_steps == [5]


def test_a_block_takes_over_the_state_it_is_given():
    keys = make_rng_streams(0)
    state = GAN.init(jax.random.key(0), jnp.zeros((1, *SHAPE)))
    block = make_train_block(make_train_step(GAN), SOURCE, 2)
    block(state, keys, SOURCE.arrays, SOURCE.order(keys.order, 0), *map(jnp.int32, (0, 0, 1)))
    assert all(x.is_deleted() for x in jax.tree.leaves(state))


def test_pictures_are_drawn_from_the_same_noise_after_every_epoch(tmp_path):
    drawn = []
    run(
        tmp_path,
        12,
        draw=lambda state, key, step: drawn.append(
            (step, jax.random.key_data(key).tolist(), int(state.g.step))
        ),
    )
    assert [(step, at) for step, _, at in drawn] == [(0, 0), (5, 5), (10, 10), (12, 12)]
    assert len({str(key) for _, key, _ in drawn}) == 1


def test_scores_are_kept_and_the_checkpoint_with_the_best(tmp_path):
    def score(state, key):
        seen.add(tuple(jax.random.key_data(key).tolist()))
        return {
            "z": abs(float(state.g.step) - 10),
            "a": 0.0,
        }  # the first counts, not the first in the alphabet

    seen = set()
    run(tmp_path, 23, score=score, score_every=2)
    scores = metric_log.read_columns(tmp_path / "scores.jsonl")
    assert scores["step"].tolist() == [10, 20, 23]
    assert scores["z"].tolist() == [0, 10, 13]
    assert len(seen) == 1
    with Checkpoints(tmp_path / "checkpoints") as checkpoints:
        assert checkpoints.all_steps == [10, 20, 23]
        assert checkpoints.best_step == 10


def test_a_finished_run_computes_nothing(whole):
    before = lines(whole[0])
    state, step = run(whole[0], 12, report=lambda now: pytest.fail("trained on"))
    assert step == 12
    assert_same_bits(state, whole[1])
    assert lines(whole[0]) == before


def test_nan_stops_the_run_and_the_checkpoint_is_from_before(tmp_path):
    def batch(arrays, order, key, index):
        real, _ = SOURCE.batch(arrays, order, key, index)
        return jnp.where(index == 3, jnp.nan, real), None

    def poisoned(epoch_of_poison):
        return Source(SOURCE.arrays, 5, SOURCE.order, batch if epoch_of_poison else SOURCE.batch)

    train(GAN, SOURCE, tmp_path, seed=0, steps=5)
    told = []
    with pytest.raises(
        TrainingError, match=r"step 9: .* of d and g is not finite;.*checkpoint is from step 5"
    ) as error:
        train(GAN, poisoned(True), tmp_path, seed=0, steps=10, tell=told.append)
    assert told == [
        "Step 9 is not finite; replaying from the newest checkpoint to see what is, first of all."
    ]
    assert "first d_real_logits and 5 more metrics, .d.params['" in str(error.value)
    with Checkpoints(tmp_path / "checkpoints") as checkpoints:
        assert checkpoints.all_steps == [5]


@pytest.mark.parametrize("name", ["seed", "seeds", "steps", "block", "d_steps", "probe_every"])
def test_numbers_out_of_range_are_refused(tmp_path, name):
    with pytest.raises(ConfigError, match=f"{name} is -1"):
        run(tmp_path / "none", **({"steps": 1} | {name: -1}))
    assert not (tmp_path / "none").exists()


def test_too_few_batches_for_a_step_are_refused(tmp_path):
    with pytest.raises(ConfigError, match="an epoch has 5 batches, a train step takes 6"):
        run(tmp_path, 1, d_steps=6)


def test_plan_covers_every_step_once_and_no_block_goes_over_an_epochs_end():
    for step, steps, per_epoch, block in (
        (0, 12, 5, 3),
        (7, 23, 5, 100),
        (4, 4, 5, 1),
        (0, 7, 7, 7),
    ):
        covered = []
        for epoch, index, count in plan_blocks(step, steps, per_epoch, block):
            assert 0 < count <= block
            assert index + count <= per_epoch
            covered += [epoch * per_epoch + index + i for i in range(count)]
        assert covered == list(range(step, steps))
