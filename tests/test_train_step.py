import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.errors import ConfigError
from jaxgan.train_step import make_train_step
from tests.helpers.networks import assert_same_bits, real_batch, small_gan

GAN = small_gan()


def start():
    return GAN.init(jax.random.key(0), real_batch())


def by_hand(turns, real, key):
    """Plays (player, batch, fold) by turns."""
    state = start()
    for player, batch, fold in turns:
        state, _ = getattr(GAN, player)(state, real[batch], jax.random.fold_in(key, fold))
    return state


@pytest.mark.parametrize(
    ("counts", "share", "turns"),
    [
        ((1, 1), True, [("step", 0, 0)]),
        ((1, 1), False, [("d_step", 0, 0), ("g_step", 0, 1)]),
        ((3, 1), True, [("d_step", 0, 0), ("d_step", 1, 1), ("step", 2, 2)]),
        ((2, 2), False, [("d_step", 0, 0), ("d_step", 1, 1), ("g_step", 1, 2), ("g_step", 1, 3)]),
        ((1, 3), True, [("step", 0, 0), ("g_step", 0, 1), ("g_step", 0, 2)]),
    ],
)
def test_order_of_play(counts, share, turns):
    real = jnp.stack([real_batch(seed=seed) for seed in range(counts[0])])
    key = jax.random.key(7)
    state, metrics = make_train_step(GAN, *counts, share_noise=share)(start(), real, key)
    assert_same_bits(state, by_hand(turns, real, jax.random.key(7)))
    assert (int(state.d.step), int(state.g.step)) == counts
    assert metrics.keys() == {"d", "g"}


@pytest.mark.parametrize(
    ("counts", "share", "turns"),
    [
        ((1, 1), True, [("g_step", 0, 0), ("d_step", 0, 0)]),
        ((1, 1), False, [("g_step", 0, 1), ("d_step", 0, 0)]),
        ((2, 2), True, [("g_step", 1, 1), ("g_step", 1, 2), ("d_step", 0, 0), ("d_step", 1, 1)]),
    ],
)
def test_the_generator_may_go_first(counts, share, turns):
    real = jnp.stack([real_batch(seed=seed) for seed in range(counts[0])])
    step = make_train_step(GAN, *counts, order="g_first", share_noise=share)
    state, metrics = step(start(), real, jax.random.key(7))
    assert_same_bits(state, by_hand(turns, real, jax.random.key(7)))
    assert metrics.keys() == {"d", "g"}


@pytest.mark.parametrize(("share", "g_fold"), [(True, 1), (False, 2)])
def test_players_that_move_at_the_same_time_do_not_see_each_other_move(share, g_fold):
    real = jnp.stack([real_batch(seed=seed) for seed in range(2)])
    step = make_train_step(GAN, 2, 2, order="simultaneous", share_noise=share)
    state, _ = step(start(), real, jax.random.key(7))
    before = by_hand([("d_step", 0, 0)], real, jax.random.key(7))
    key = jax.random.key(7)
    if share:
        both, _ = GAN.step(before, real[1], jax.random.fold_in(key, 1), simultaneous=True)
    else:
        d_moved, _ = GAN.d_step(before, real[1], jax.random.fold_in(key, 1))
        g_moved, _ = GAN.g_step(before, real[1], jax.random.fold_in(key, g_fold))
        both = g_moved.replace(d=d_moved.d)
    expected, _ = GAN.g_step(both, real[1], jax.random.fold_in(key, g_fold + 1))
    assert_same_bits(state, expected)


def test_other_orders_are_refused():
    with pytest.raises(
        ConfigError, match="order is 'last', expected one of d_first, g_first, simultaneous"
    ):
        make_train_step(GAN, order="last")


def test_shared_noise_is_the_same_noise():
    real = real_batch()[None]
    _, shared = make_train_step(GAN)(start(), real, jax.random.key(7))
    _, fresh = make_train_step(GAN, share_noise=False)(start(), real, jax.random.key(7))
    np.testing.assert_allclose(shared["d"]["loss"], fresh["d"]["loss"], rtol=1e-6)
    assert abs(float(shared["g"]["loss"] - fresh["g"]["loss"])) > 1e-5


@pytest.mark.parametrize("counts", [(0, 1), (1, 0), (-1, 1)])
def test_counts_below_one_are_refused(counts):
    with pytest.raises(ConfigError, match=f"d_steps is {counts[0]} and g_steps is {counts[1]}"):
        make_train_step(GAN, *counts)
