import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.train_step import make_train_step
from jaxgan.training.blocks import (
    fold_in_steps,
    make_train_block,
    maybe_vmap,
    metrics_to_rows,
    plan_blocks,
    reduce_members,
)
from jaxgan.training.rng import make_rng_streams
from tests.helpers.networks import assert_same_bits, real_batch, small_gan, tiny_gan, tiny_source

SOURCE = tiny_source()  # 5 train steps per epoch


def init_run(gan):
    """Returns a new state, the random streams, and the order of the first epoch."""
    streams = make_rng_streams(0)
    state = gan.init(jax.random.key(0), real_batch(1))
    return state, streams, SOURCE.order(streams.shuffle, 0)


def position(epoch, index, count):
    return tuple(map(jnp.int32, (epoch, index, count)))


@pytest.mark.default_xla
def test_make_train_block_composes_blocks_of_any_lengths_bit_for_bit():
    gan = small_gan(ema_half_life=100.0)

    def run_blocks(*lengths):
        block = make_train_block(make_train_step(gan), SOURCE, 5)
        state, streams, order = init_run(gan)
        index, losses = 0, []
        for length in lengths:
            at = position(0, index, length)
            state, metrics = block(state, streams, SOURCE.arrays, order, *at)
            losses.append(metrics["d"]["loss"][:length])
            index += length
        return state, jnp.concatenate(losses)

    whole = run_blocks(5)
    for lengths in ((1, 1, 1, 1, 1), (4, 1), (2, 0, 3)):
        assert_same_bits(run_blocks(*lengths), whole)


def test_make_train_block_traces_once_and_transfers_nothing_to_the_device():
    num_traces = 0
    gan = tiny_gan()

    def counting_train_step(*args):
        nonlocal num_traces
        num_traces += 1
        return make_train_step(gan)(*args)

    block = make_train_block(counting_train_step, SOURCE, 2)
    state, streams, order = init_run(gan)
    state = jax.device_put(state, jax.devices()[0])
    positions = [position(0, 0, 2), position(0, 2, 2), position(0, 4, 1)]
    state, _ = block(state, streams, SOURCE.arrays, order, *positions[0])
    num_first_traces = num_traces
    with jax.transfer_guard("disallow"):
        for at in positions[1:]:
            state, _ = block(state, streams, SOURCE.arrays, order, *at)
    assert num_traces == num_first_traces
    assert block._cache_size() == 1


def test_make_train_block_donates_the_state():
    gan = tiny_gan()
    state, streams, order = init_run(gan)
    block = make_train_block(make_train_step(gan), SOURCE, 2)
    block(state, streams, SOURCE.arrays, order, *position(0, 0, 1))
    assert all(x.is_deleted() for x in jax.tree.leaves(state))


def test_make_train_block_returns_zeros_for_steps_that_were_not_run():
    gan = tiny_gan()
    state, streams, order = init_run(gan)
    block = make_train_block(make_train_step(gan), SOURCE, 3)
    _, metrics = block(state, streams, SOURCE.arrays, order, *position(0, 0, 1))
    assert (np.asarray(metrics["d"]["loss"]) != 0).tolist() == [True, False, False]


@pytest.mark.parametrize(
    ("step", "steps", "steps_per_epoch", "length"),
    [(0, 12, 5, 3), (7, 23, 5, 100), (4, 4, 5, 1), (0, 7, 7, 7)],
)
def test_plan_blocks_covers_every_step_once_within_epochs(step, steps, steps_per_epoch, length):
    covered = []
    for epoch, index, count in plan_blocks(step, steps, steps_per_epoch, length):
        assert 0 < count <= length
        assert index + count <= steps_per_epoch
        covered += [epoch * steps_per_epoch + index + i for i in range(count)]
    assert covered == list(range(step, steps))


def test_plan_blocks_ends_blocks_at_multiples_within_an_epoch():
    assert list(plan_blocks(0, 9, 7, 3, 2)) == [
        *[(0, 0, 2), (0, 2, 1), (0, 3, 1), (0, 4, 2), (0, 6, 1)],
        (1, 0, 2),
    ]


def test_plan_blocks_stop_every_counts_from_the_first_step_of_the_run():
    blocks = plan_blocks(3, 12, 5, 100, stop_every=4)
    assert list(blocks) == [(0, 3, 1), (0, 4, 1), (1, 0, 3), (1, 3, 2), (2, 0, 2)]


def test_fold_in_steps_folds_in_the_batch_and_the_step():
    streams = make_rng_streams(0)
    batch_keys, step_keys = fold_in_steps(streams, jnp.arange(3, 5), 2)
    for i, step in enumerate((3, 4)):
        expected = jax.random.fold_in(jax.random.clone(streams.step), step)
        assert jnp.array_equal(jax.random.key_data(step_keys[i]), jax.random.key_data(expected))
        for j in range(2):
            expected = jax.random.fold_in(jax.random.clone(streams.batch), 2 * step + j)
            found = jax.random.key_data(batch_keys[i, j])
            assert jnp.array_equal(found, jax.random.key_data(expected))


def test_maybe_vmap_maps_the_function_of_a_population_only():
    def subtract(x, y):
        return x - y

    assert maybe_vmap(subtract, (0, None), False) is subtract
    mapped = maybe_vmap(subtract, (0, None), True)(jnp.array([3.0, 5.0]), 1.0)
    assert mapped.tolist() == [2.0, 4.0]


def test_reduce_members_takes_the_mean_of_numbers_and_all_of_booleans():
    assert reduce_members(jnp.array([[1.0, 2.0], [3.0, 6.0]])).tolist() == [2.0, 4.0]
    assert reduce_members(jnp.array([[True, True], [True, False]])).tolist() == [True, False]


def test_metrics_to_rows_names_columns_by_network_and_drops_unused_rows():
    metrics = {
        "d": {"loss": np.array([1.0, 2.0, 0.0]), "finite": np.array([True, False, False])},
        "g": {"loss": np.array([3.0, 4.0, 0.0])},
    }
    assert metrics_to_rows(metrics, 2) == [
        {"d_loss": 1.0, "d_finite": True, "g_loss": 3.0},
        {"d_loss": 2.0, "d_finite": False, "g_loss": 4.0},
    ]
