import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.errors import ConfigError, ShapeError
from jaxgan.train_step import make_train_step
from tests.helpers.networks import assert_same_bits, real_batch, small_gan

GAN = small_gan()


def init():
    return GAN.init(jax.random.key(0), real_batch())


def make_key():
    return jax.random.key(7)


def stack_batches(num):
    return jnp.stack([real_batch(seed=seed) for seed in range(num)])


def apply_updates(updates, real):
    """Applies updates (name of a GAN function, index of its batch, number folded into its key)."""
    state, key = init(), make_key()
    for name, batch_index, key_index in updates:
        state, _ = getattr(GAN, name)(state, real[batch_index], jax.random.fold_in(key, key_index))
    return state


@pytest.mark.parametrize(
    ("counts", "share_noise", "updates"),
    [
        ((1, 1), True, [("step", 0, 0)]),
        ((1, 1), False, [("d_step", 0, 0), ("g_step", 0, 1)]),
        ((3, 1), True, [("d_step", 0, 0), ("d_step", 1, 1), ("step", 2, 2)]),
        ((2, 2), False, [("d_step", 0, 0), ("d_step", 1, 1), ("g_step", 1, 2), ("g_step", 1, 3)]),
        ((1, 3), True, [("step", 0, 0), ("g_step", 0, 1), ("g_step", 0, 2)]),
    ],
)
def test_make_train_step_d_first_updates_d_then_g(counts, share_noise, updates):
    real = stack_batches(counts[0])
    train_step = make_train_step(GAN, *counts, share_noise=share_noise)
    state, metrics = train_step(init(), real, make_key())
    assert_same_bits(state, apply_updates(updates, real))
    assert (int(state.d.step), int(state.g.step)) == counts
    assert metrics.keys() == {"d", "g"}


@pytest.mark.parametrize(
    ("counts", "share_noise", "updates"),
    [
        ((1, 1), True, [("g_step", 0, 0), ("d_step", 0, 0)]),
        ((1, 1), False, [("g_step", 0, 1), ("d_step", 0, 0)]),
        ((2, 2), True, [("g_step", 1, 1), ("g_step", 1, 2), ("d_step", 0, 0), ("d_step", 1, 1)]),
    ],
)
def test_make_train_step_g_first_updates_g_then_d(counts, share_noise, updates):
    real = stack_batches(counts[0])
    train_step = make_train_step(GAN, *counts, update_order="g_first", share_noise=share_noise)
    state, metrics = train_step(init(), real, make_key())
    assert_same_bits(state, apply_updates(updates, real))
    assert metrics.keys() == {"d", "g"}


@pytest.mark.parametrize(("share_noise", "g_index"), [(True, 1), (False, 2)])
def test_make_train_step_simultaneous_updates_both_from_one_state(share_noise, g_index):
    real, key = stack_batches(2), make_key()
    train_step = make_train_step(GAN, 2, 2, update_order="simultaneous", share_noise=share_noise)
    state, _ = train_step(init(), real, make_key())
    before = apply_updates([("d_step", 0, 0)], real)
    if share_noise:
        both, _ = GAN.step(before, real[1], jax.random.fold_in(key, 1), simultaneous=True)
    else:
        d_updated, _ = GAN.d_step(before, real[1], jax.random.fold_in(key, 1))
        g_updated, _ = GAN.g_step(before, real[1], jax.random.fold_in(key, g_index))
        both = g_updated.replace(d=d_updated.d)
    expected, _ = GAN.g_step(both, real[1], jax.random.fold_in(key, g_index + 1))
    assert_same_bits(state, expected)


def test_make_train_step_share_noise_uses_the_z_of_the_d_update():
    real = real_batch()[None]
    _, shared = make_train_step(GAN)(init(), real, make_key())
    _, fresh = make_train_step(GAN, share_noise=False)(init(), real, make_key())
    np.testing.assert_allclose(shared["d"]["loss"], fresh["d"]["loss"], rtol=1e-6)
    assert abs(float(shared["g"]["loss"] - fresh["g"]["loss"])) > 1e-5


def test_make_train_step_passes_each_batch_with_its_condition():
    calls = []

    def record_args(state, real, key, condition, **kwargs):
        calls.append((int(real), int(condition)))
        return state, {}

    gan = GAN._replace(d_step=record_args, step=record_args)
    make_train_step(gan, 2)(None, jnp.array([0, 1]), make_key(), jnp.array([10, 11]))
    assert calls == [(0, 10), (1, 11)]


def test_make_train_step_raises_on_an_unknown_update_order():
    message = (
        "update_order is 'last', expected one of d_first, g_first, simultaneous, extragradient"
    )
    with pytest.raises(ConfigError, match=message):
        make_train_step(GAN, update_order="last")


@pytest.mark.parametrize("counts", [(0, 1), (1, 0), (-1, 1)])
def test_make_train_step_raises_on_counts_below_one(counts):
    with pytest.raises(ConfigError, match=f"d_steps is {counts[0]} and g_steps is {counts[1]}"):
        make_train_step(GAN, *counts)


@pytest.mark.parametrize("count", [2.0, "2", None])
def test_make_train_step_raises_if_a_count_is_not_an_integer(count):
    with pytest.raises(ConfigError, match=f"d_steps is {count!r}, expected an integer"):
        make_train_step(GAN, count)


@pytest.mark.parametrize("num", [1, 3])
def test_make_train_step_raises_on_another_number_of_batches(num):
    train_step = make_train_step(GAN, 2)
    message = rf"has shape \[{num}, 8.*expected \[2, B, …\], one batch for each of the d_steps"
    with pytest.raises(ShapeError, match=f"real {message}"):
        train_step(init(), stack_batches(num), make_key())
    with pytest.raises(ShapeError, match=f"condition {message}"):
        train_step(init(), stack_batches(2), make_key(), jnp.zeros((num, 8), int))
