import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxgan import penalties
from jaxgan.errors import ConfigError, ShapeError
from jaxgan.models import layers
from tests.helpers.networks import real_batch, small_gan

CHEAP = settings(max_examples=25, deadline=None, derandomize=True)
WEIGHT, TARGET, GAMMA = 3.0, 0.7, 0.9


def make_penalties(weight=WEIGHT, target=TARGET, gamma=GAMMA):
    return {
        "gradient": penalties.gradient_penalty(weight, target),
        "one_sided": penalties.gradient_penalty(weight, target, one_sided=True),
        "r1": penalties.r1(gamma),
        "r2": penalties.r2(gamma),
        "dragan": penalties.dragan(weight, target=target),
        "add": penalties.sum_penalties(penalties.r1(gamma), penalties.r2(gamma)),
    }


NAMES = sorted(make_penalties())


def key(seed=0):
    return jax.random.key(seed)  # anew for each use: a key is consumed


def draw(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def linear(w, x):
    return x @ w + 3.0


def quadratic(x):
    return jnp.sum(x**2, axis=tuple(range(1, x.ndim))) / 2


def curved(x):
    """A critic whose slope is another at every point, with flattening inside."""
    x = x.reshape(len(x), -1)
    return jnp.sin(x) @ jnp.arange(1.0, 1 + x.shape[1], dtype=x.dtype) + jnp.prod(x, axis=1)


@jax.jit
def of_linear_critics(w, weight, target, gamma):
    """Value and gradient of every penalty; the numbers are traced."""
    real, fake = draw(3, 4), draw(3, 4, seed=1)
    return {
        name: jax.value_and_grad(
            lambda w, penalty=penalty: penalty(partial(linear, w), real, fake, key())
        )(w)
        for name, penalty in make_penalties(weight, target, gamma).items()
    }


numbers = st.floats(0, 9, width=32)
vectors = st.lists(st.integers(-9, 9), min_size=4, max_size=4).map(lambda x: np.array(x) / 4)


@CHEAP
@given(vectors, numbers, numbers, numbers)
def test_linear_critics_have_closed_forms(w, weight, target, gamma):
    norm = np.linalg.norm(w)
    unit, excess = (w / norm if norm else w), norm - target
    beyond = max(excess, 0)
    expected = {
        "gradient": (weight * excess**2, 2 * weight * excess * unit),
        "one_sided": (weight * beyond**2, 2 * weight * beyond * unit),
        "r1": (gamma / 2 * norm**2, gamma * w),
        "r2": (gamma / 2 * norm**2, gamma * w),
        "dragan": (weight * excess**2, 2 * weight * excess * unit),
        "add": (gamma * norm**2, 2 * gamma * w),
    }
    found = of_linear_critics(*map(jnp.float32, (w, weight, target, gamma)))
    scale = 1 + weight * (norm + target) ** 2  # of what cancels
    for name, (value, slope) in expected.items():
        np.testing.assert_allclose(found[name][0], value, rtol=1e-5, atol=1e-6 * scale)
        np.testing.assert_allclose(found[name][1], slope, rtol=1e-5, atol=1e-6 * scale)


def test_where_the_critic_is_flat_all_is_finite():
    found = of_linear_critics(jnp.zeros(4), WEIGHT, TARGET, GAMMA)
    for name, (value, slope) in found.items():
        expected = WEIGHT * TARGET**2 if name in ("gradient", "dragan") else 0
        np.testing.assert_allclose(value, expected, rtol=1e-6)
        np.testing.assert_array_equal(slope, 0)


@pytest.mark.parametrize(("target", "published"), [(1.0, 9.0), (2.0, 1.0)])
def test_published_value(target, published):
    # D adds up 2x over four entries: |∇D| = 4. The published form is (|∇D| / target - 1)², ours times target².
    value = penalties.gradient_penalty(1.0, target)(
        lambda x: jnp.sum(2 * x, 1), draw(5, 4), draw(5, 4, seed=1), key()
    )
    np.testing.assert_allclose(value, published * target**2, rtol=1e-6)


def test_r1_looks_at_the_real_and_r2_at_the_fakes():
    real, fake = draw(6, 2, 3), 4 * draw(6, 2, 3, seed=1)
    at_real, at_fake = (GAMMA / 2 * np.mean(np.sum(np.square(x), (1, 2))) for x in (real, fake))
    for name, value in {"r1": at_real, "r2": at_fake, "add": at_real + at_fake}.items():
        np.testing.assert_allclose(
            make_penalties()[name](quadratic, real, fake, key()), value, rtol=1e-5
        )


def test_gradient_looks_between_with_one_share_for_each_sample():
    # Between 0 and s/√4 in each of 4 entries |∇D| = ε s: (ε s - 1)² has the mean s²/3 - s + 1, variance 1.2 at s = 3.
    num, s = 20_000, 3.0
    real, fake = jnp.zeros((num, 4)), jnp.full((num, 4), s / 2)
    value = penalties.gradient_penalty(1.0)(quadratic, real, fake, key())
    np.testing.assert_allclose(value, s**2 / 3 - s + 1, atol=5 * math.sqrt(1.2 / num))


def test_dragan_looks_around_the_real_as_documented():
    # A critic centred at the data has the perturbation for gradient; E ε² = E u² = 1/3.
    num, dim, scale = 20_000, 4, 0.8
    real = (
        draw(num, dim) + 2 * jnp.arange(4.0)[None]
    )  # columns apart: the deviation is over all entries
    value = penalties.dragan(1.0, scale, 0.0)(lambda x: quadratic(x - real), real, real, key())
    expected = scale**2 * np.var(real) * dim / 9
    np.testing.assert_allclose(value, expected, rtol=0.05)
    below = penalties.dragan(1.0, scale, 0.0)(
        lambda x: jnp.sum(nn.relu(real - x), 1), real, real, key()
    )
    assert below == 0


def test_a_sample_counts_for_itself():
    """Twice the batch, the same mean: no other sample's gradient, and no size of the batch, comes in."""
    makers = make_penalties() | {"dragan": penalties.dragan(WEIGHT, 0.0, TARGET)}
    real, other = draw(3, 2, 2), draw(3, 2, 2, seed=1)

    def evaluate(name):
        fake = (
            real if name in ("gradient", "one_sided") else other
        )  # so that the noise plays no role
        batches = [[x, jnp.tile(x, (2, 1, 1)), *jnp.split(x, 3)] for x in (real, fake)]
        return [makers[name](curved, *batch, key()) for batch in zip(*batches, strict=True)]

    for name in NAMES:
        once, twice, *alone = evaluate(name)
        np.testing.assert_allclose([twice, np.mean(alone)], once, rtol=1e-5, err_msg=name)
        assert max(alone) - min(alone) > 0.1 * once


def test_images_are_vectors():
    real, fake = draw(3, 2, 2, 1), draw(3, 2, 2, 1, seed=1)

    @jax.jit
    def evaluate(real, fake):
        return {
            name: penalty(curved, real, fake, key()) for name, penalty in make_penalties().items()
        }

    flat = evaluate(real.reshape(3, -1), fake.reshape(3, -1))
    for name, value in evaluate(real, fake).items():
        np.testing.assert_allclose(value, flat[name], rtol=1e-5, err_msg=name)


def test_a_population_of_critics():
    real, fake, ws = draw(3, 4), draw(3, 4, seed=1), draw(5, 4, seed=2)

    def evaluate(w):
        def critic(x):
            return curved(x * w[None])

        return {
            name: make_penalties()[name](critic, real, fake, key())
            for name in ("gradient", "r2", "dragan")
        }

    both = jax.jit(
        lambda ws: (jax.vmap(jax.jacobian(evaluate))(ws), jax.lax.map(jax.jacobian(evaluate), ws))
    )
    for at_once, in_turn in zip(*map(jax.tree.leaves, both(ws)), strict=True):
        np.testing.assert_allclose(at_once, in_turn, rtol=1e-4, atol=1e-4)


def test_sums_have_keys_of_their_own():
    real, dragan = draw(3, 4), make_penalties()["dragan"]
    one, other = (dragan(curved, real, real, each) for each in jax.random.split(key()))
    assert one != other
    np.testing.assert_allclose(
        penalties.sum_penalties(dragan, dragan)(curved, real, real, key()), one + other, rtol=1e-6
    )


def test_a_subsample_is_the_first_of_each_batch():
    real, fake = 2 * draw(6, 4), 5 * draw(6, 4, seed=1)
    both = penalties.sum_penalties(penalties.r1(GAMMA), penalties.r2(GAMMA))
    for num in (1, 4, 6, 99):
        expected = GAMMA / 2 * sum(np.mean(np.sum(np.square(x[:num]), 1)) for x in (real, fake))
        value = jax.jit(penalties.subsample(both, num), static_argnums=0)(
            quadratic, real, fake, key()
        )
        np.testing.assert_allclose(value, expected, rtol=1e-5)
    with pytest.raises(ConfigError, match="num is 0, expected at least 1"):
        penalties.subsample(both, 0)


def test_a_subsample_keeps_its_conditions():
    real, condition = real_batch(), jnp.arange(len(real_batch())) % 10
    first, whole = (
        small_gan(penalty=penalties.subsample(penalties.r1(GAMMA), num)) for num in (2, len(real))
    )
    state = first.init(key(), real, condition)
    penalty = first.d_step(state, real, key(1), condition)[1]["penalty"]
    halves = [
        whole.d_step(
            state,
            jnp.concatenate([x] * (len(real) // 2)),
            key(1),
            jnp.concatenate([c] * (len(real) // 2)),
        )
        for x, c in ((real[:2], condition[:2]), (real[2:4], condition[2:4]))
    ]
    np.testing.assert_allclose(penalty, halves[0][1]["penalty"], rtol=1e-5)
    assert abs(penalty - halves[1][1]["penalty"]) > 1e-3 * penalty


class Critic(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = jnp.tanh(layers.conv(x, 2, (2, 2), strides=2, param_dtype=x.dtype))
        return layers.dense(x.reshape(len(x), -1), 1, param_dtype=x.dtype).squeeze(-1)


def test_double_precision_and_second_derivatives_of_convolutions():
    with jax.enable_x64(True):
        real, fake = (
            jnp.asarray(np.random.default_rng(i).normal(size=(2, 4, 4, 1))) for i in range(2)
        )
        params = Critic().init(key(), real)
        penalty = penalties.sum_penalties(
            penalties.gradient_penalty(WEIGHT, TARGET), penalties.r1(GAMMA)
        )

        @jax.jit
        @jax.value_and_grad
        def along(t):
            moved = jax.tree.map(lambda p: p + t * jnp.cos(p), params)
            return penalty(partial(Critic().apply, moved), real, fake, key())

        h = 1e-4
        values, slopes = zip(*map(along, (-h, 0.0, h)), strict=True)
        assert values[1].dtype == jnp.float64
        assert abs(slopes[1]) > 0.1
        np.testing.assert_allclose(slopes[1], (values[2] - values[0]) / (2 * h), rtol=1e-6)


def test_shapes_are_checked():
    real, fake = draw(3, 4), draw(1, 4)  # which would broadcast
    with pytest.raises(ShapeError, match=r"real has shape \[3, 4\], fake \[1, 4\]"):
        penalties.gradient_penalty()(curved, real, fake, key())
    assert jnp.isfinite(
        penalties.sum_penalties(penalties.r1(1.0), penalties.r2(1.0))(curved, real, fake, key())
    )
    with pytest.raises(ShapeError, match=r"disc_fn gives \[3, 1\], expected \[3\]"):
        penalties.r1(1.0)(lambda x: curved(x)[:, None], real, real, key())


class Normalised(nn.Module):
    @nn.compact
    def __call__(self, x, *, train):
        x = nn.BatchNorm(use_running_average=not train, momentum=0.5)(x.reshape(len(x), -1))
        return jnp.sum(jnp.tanh(x), 1)


def test_batch_statistics_do_not_couple_the_samples():
    gan = small_gan(discriminator=Normalised(), penalty=penalties.r1(1.0))
    a, b = real_batch(2), 0.1 * real_batch(2, seed=1)
    a_twice, b_twice, both = (jnp.concatenate(pair) for pair in ((a, a), (b, b), (a, b)))
    state, _ = gan.d_step(
        gan.init(key(), both), both, key(1)
    )  # so that the averages have left their start
    of_a, of_b, of_both = (
        gan.d_step(state, x, key(2))[1]["penalty"] for x in (a_twice, b_twice, both)
    )
    assert abs(of_a - of_b) > 0.01 * of_both
    np.testing.assert_allclose((of_a + of_b) / 2, of_both, rtol=1e-5)
