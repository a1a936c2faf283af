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

FAST = settings(max_examples=25, deadline=None, derandomize=True)
WEIGHT, TARGET, GAMMA = 3.0, 0.7, 0.9


def make_penalties(weight=WEIGHT, target=TARGET, gamma=GAMMA):
    return {
        "gradient_penalty": penalties.gradient_penalty(weight, target),
        "one_sided": penalties.gradient_penalty(weight, target, one_sided=True),
        "r1": penalties.r1(gamma),
        "r2": penalties.r2(gamma),
        "dragan": penalties.dragan(weight, target=target),
        "r1_and_r2": penalties.sum_penalties(penalties.r1(gamma), penalties.r2(gamma)),
    }


def make_key(seed=0):
    return jax.random.key(seed)  # a new key for each use, because penalties consume it


def draw(*shape, seed=0):
    return jnp.asarray(np.random.default_rng(seed).normal(size=shape), jnp.float32)


def linear_critic(w, x):
    return x @ w + 3.0


def quadratic_critic(x):
    """Returns |x|²/2 of each sample; its gradient is x."""
    return jnp.sum(x**2, axis=tuple(range(1, x.ndim))) / 2


def nonlinear_critic(x):
    """A critic whose gradient differs at every point; it flattens the samples itself."""
    x = x.reshape(len(x), -1)
    return jnp.sin(x) @ jnp.arange(1.0, 1 + x.shape[1], dtype=x.dtype) + jnp.prod(x, axis=1)


@jax.jit
def evaluate_on_linear_critic(w, weight, target, gamma):
    """Returns the value of every penalty and its gradient; the settings are traced."""
    real, fake = draw(3, 4), draw(3, 4, seed=1)
    return {
        name: jax.value_and_grad(
            lambda w, penalty=penalty: penalty(partial(linear_critic, w), real, fake, make_key())
        )(w)
        for name, penalty in make_penalties(weight, target, gamma).items()
    }


scalars = st.floats(0, 9, width=32)
vectors = st.lists(st.integers(-9, 9), min_size=4, max_size=4).map(lambda x: np.array(x) / 4)


@FAST
@given(vectors, scalars, scalars, scalars)
def test_penalties_of_linear_critics_have_closed_forms(w, weight, target, gamma):
    norm = np.linalg.norm(w)
    unit, excess = (w / norm if norm else w), norm - target
    positive_excess = max(excess, 0)
    expected = {
        "gradient_penalty": (weight * excess**2, 2 * weight * excess * unit),
        "one_sided": (weight * positive_excess**2, 2 * weight * positive_excess * unit),
        "r1": (gamma / 2 * norm**2, gamma * w),
        "r2": (gamma / 2 * norm**2, gamma * w),
        "dragan": (weight * excess**2, 2 * weight * excess * unit),
        "r1_and_r2": (gamma * norm**2, 2 * gamma * w),
    }
    found = evaluate_on_linear_critic(*map(jnp.float32, (w, weight, target, gamma)))
    atol = 1e-6 * (1 + weight * (norm + target) ** 2)  # relative to the terms that cancel
    for name, (value, grad) in expected.items():
        np.testing.assert_allclose(found[name][0], value, rtol=1e-5, atol=atol)
        np.testing.assert_allclose(found[name][1], grad, rtol=1e-5, atol=atol)


def test_penalties_of_constant_critics_have_a_gradient_of_zero():
    found = evaluate_on_linear_critic(jnp.zeros(4), WEIGHT, TARGET, GAMMA)
    for name, (value, grad) in found.items():
        expected = WEIGHT * TARGET**2 if name in ("gradient_penalty", "dragan") else 0
        np.testing.assert_allclose(value, expected, rtol=1e-6)
        np.testing.assert_array_equal(grad, 0)


@pytest.mark.parametrize(("target", "published"), [(1.0, 9.0), (2.0, 1.0)])
def test_gradient_penalty_has_the_published_value(target, published):
    # D sums 2x over four entries: |∇D| = 4. The published form is (|∇D| / target - 1)²; this
    # package's form is that times target².
    value = penalties.gradient_penalty(1.0, target)(
        lambda x: jnp.sum(2 * x, 1), draw(5, 4), draw(5, 4, seed=1), make_key()
    )
    np.testing.assert_allclose(value, published * target**2, rtol=1e-6)


def test_r1_is_computed_at_real_and_r2_at_fake_samples():
    real, fake = draw(6, 2, 3), 4 * draw(6, 2, 3, seed=1)
    r1, r2 = (GAMMA / 2 * np.mean(np.sum(np.square(x), (1, 2))) for x in (real, fake))
    for name, expected in {"r1": r1, "r2": r2, "r1_and_r2": r1 + r2}.items():
        value = make_penalties()[name](quadratic_critic, real, fake, make_key())
        np.testing.assert_allclose(value, expected, rtol=1e-5)


def test_gradient_penalty_interpolates_with_one_weight_per_sample():
    # From 0 to s/√4 in each of 4 entries: |∇D| = ε s, and (ε s - 1)² has the mean s²/3 - s + 1 and
    # the variance 1.2 at s = 3.
    num, s = 20_000, 3.0
    real, fake = jnp.zeros((num, 4)), jnp.full((num, 4), s / 2)
    value = penalties.gradient_penalty(1.0)(quadratic_critic, real, fake, make_key())
    np.testing.assert_allclose(value, s**2 / 3 - s + 1, atol=5 * math.sqrt(1.2 / num))


def test_dragan_perturbs_real_samples_as_documented():
    # The gradient of a quadratic critic centered at the data is the perturbation, and
    # E ε² = E u² = 1/3.
    num, dim, scale = 20_000, 4, 0.8
    # The columns have different means, because std(x) is over all entries.
    real = draw(num, dim) + 2 * jnp.arange(4.0)[None]
    penalty = penalties.dragan(1.0, scale, 0.0)
    value = penalty(lambda x: quadratic_critic(x - real), real, real, make_key())
    expected = scale**2 * np.var(real) * dim / 9
    np.testing.assert_allclose(value, expected, rtol=0.05)
    # This critic is constant unless a perturbation is negative.
    value_below = penalty(lambda x: jnp.sum(nn.relu(real - x), 1), real, real, make_key())
    assert value_below == 0


@pytest.mark.parametrize("name", sorted(make_penalties()))
def test_penalties_are_means_of_the_values_of_single_samples(name):
    """No sample affects the gradient of another, and the size of the batch does not matter."""
    real, fake = draw(3, 2, 2), draw(3, 2, 2, seed=1)
    penalty = make_penalties()[name]
    # Remove the effect of random numbers: no interpolation, no perturbation.
    if name in ("gradient_penalty", "one_sided"):
        fake = real
    if name == "dragan":
        penalty = penalties.dragan(WEIGHT, 0.0, TARGET)

    def split_and_repeat(x):
        return [x, jnp.tile(x, (2, 1, 1)), *jnp.split(x, 3)]

    batches = zip(split_and_repeat(real), split_and_repeat(fake), strict=True)
    once, twice, *single = [penalty(nonlinear_critic, *batch, make_key()) for batch in batches]
    np.testing.assert_allclose([twice, np.mean(single)], once, rtol=1e-5)
    assert max(single) - min(single) > 0.1 * once


def test_penalties_of_images_equal_those_of_flattened_images():
    real, fake = draw(3, 2, 2, 1), draw(3, 2, 2, 1, seed=1)

    @jax.jit
    def evaluate(real, fake):
        return {
            name: penalty(nonlinear_critic, real, fake, make_key())
            for name, penalty in make_penalties().items()
        }

    flat = evaluate(real.reshape(3, -1), fake.reshape(3, -1))
    for name, value in evaluate(real, fake).items():
        np.testing.assert_allclose(value, flat[name], rtol=1e-5, err_msg=name)


def test_penalties_compose_with_vmap_over_critics():
    real, fake, weights = draw(3, 4), draw(3, 4, seed=1), draw(5, 4, seed=2)

    def evaluate(w):
        def critic(x):
            return nonlinear_critic(x * w[None])

        return {
            name: make_penalties()[name](critic, real, fake, make_key())
            for name in ("gradient_penalty", "r2", "dragan")
        }

    jacobians = jax.jit(
        lambda ws: (jax.vmap(jax.jacobian(evaluate))(ws), jax.lax.map(jax.jacobian(evaluate), ws))
    )
    for vmapped, looped in zip(*map(jax.tree.leaves, jacobians(weights)), strict=True):
        np.testing.assert_allclose(vmapped, looped, rtol=1e-4, atol=1e-4)


def test_sum_penalties_splits_the_key():
    real, dragan = draw(3, 4), make_penalties()["dragan"]
    first, second = (
        dragan(nonlinear_critic, real, real, key) for key in jax.random.split(make_key())
    )
    assert first != second
    total = penalties.sum_penalties(dragan, dragan)(nonlinear_critic, real, real, make_key())
    np.testing.assert_allclose(total, first + second, rtol=1e-6)


@pytest.mark.parametrize("num", [1, 4, 6, 99])
def test_subsample_uses_the_first_samples_of_each_batch(num):
    real, fake = 2 * draw(6, 4), 5 * draw(6, 4, seed=1)
    penalty = penalties.subsample(make_penalties()["r1_and_r2"], num)
    expected = GAMMA / 2 * sum(np.mean(np.sum(np.square(x[:num]), 1)) for x in (real, fake))
    value = jax.jit(penalty, static_argnums=0)(quadratic_critic, real, fake, make_key())
    np.testing.assert_allclose(value, expected, rtol=1e-5)


def test_subsample_raises_if_num_is_below_one():
    with pytest.raises(ConfigError, match="num is 0, expected at least 1"):
        penalties.subsample(penalties.r1(GAMMA), 0)


def test_subsample_uses_the_conditions_of_its_samples():
    real, condition = real_batch(), jnp.arange(len(real_batch())) % 10
    subsampled_gan, full_gan = (
        small_gan(penalty=penalties.subsample(penalties.r1(GAMMA), num)) for num in (2, len(real))
    )
    state = subsampled_gan.init(make_key(), real, condition)

    def penalty_of_repeated(rows):
        """Returns the full penalty of a batch that repeats two samples."""
        repeats = len(real) // 2
        x, c = (jnp.concatenate([a[rows]] * repeats) for a in (real, condition))
        return full_gan.d_step(state, x, make_key(1), c)[1]["penalty"]

    penalty = subsampled_gan.d_step(state, real, make_key(1), condition)[1]["penalty"]
    np.testing.assert_allclose(penalty, penalty_of_repeated(slice(0, 2)), rtol=1e-5)
    assert abs(penalty - penalty_of_repeated(slice(2, 4))) > 1e-3 * penalty


class ConvCritic(nn.Module):
    @nn.compact
    def __call__(self, x):
        x = jnp.tanh(layers.conv(x, 2, (2, 2), strides=2, param_dtype=x.dtype))
        return layers.dense(x.reshape(len(x), -1), 1, param_dtype=x.dtype).squeeze(-1)


def test_penalties_of_a_conv_critic_have_correct_gradients_in_float64():
    with jax.enable_x64(True):
        real, fake = (
            jnp.asarray(np.random.default_rng(i).normal(size=(2, 4, 4, 1))) for i in range(2)
        )
        params = ConvCritic().init(make_key(), real)
        penalty = penalties.sum_penalties(
            penalties.gradient_penalty(WEIGHT, TARGET), penalties.r1(GAMMA)
        )

        @jax.jit
        @jax.value_and_grad
        def evaluate_along_a_line(t):
            moved = jax.tree.map(lambda p: p + t * jnp.cos(p), params)
            return penalty(partial(ConvCritic().apply, moved), real, fake, make_key())

        h = 1e-4
        values, grads = zip(*map(evaluate_along_a_line, (-h, 0.0, h)), strict=True)
        assert values[1].dtype == jnp.float64
        assert abs(grads[1]) > 0.1
        np.testing.assert_allclose(grads[1], (values[2] - values[0]) / (2 * h), rtol=1e-6)


def test_gradient_penalty_raises_if_the_batches_differ_in_shape():
    real, fake = draw(3, 4), draw(1, 4)  # these would broadcast
    with pytest.raises(ShapeError, match=r"real has shape \[3, 4\], fake \[1, 4\]"):
        penalties.gradient_penalty()(nonlinear_critic, real, fake, make_key())
    value = make_penalties()["r1_and_r2"](nonlinear_critic, real, fake, make_key())
    assert jnp.isfinite(value)


def test_penalties_raise_if_disc_fn_does_not_return_one_logit_per_sample():
    real = draw(3, 4)
    with pytest.raises(ShapeError, match=r"disc_fn gives \[3, 1\], expected \[3\]"):
        penalties.r1(1.0)(lambda x: nonlinear_critic(x)[:, None], real, real, make_key())


class BatchNormDiscriminator(nn.Module):
    @nn.compact
    def __call__(self, x, *, train):
        x = nn.BatchNorm(use_running_average=not train, momentum=0.5)(x.reshape(len(x), -1))
        return jnp.sum(jnp.tanh(x), 1)


def test_make_gan_penalty_does_not_couple_samples_by_batch_statistics():
    gan = small_gan(discriminator=BatchNormDiscriminator(), penalty=penalties.r1(1.0))
    a, b = real_batch(2), 0.1 * real_batch(2, seed=1)
    a_twice, b_twice, both = (jnp.concatenate(pair) for pair in ((a, a), (b, b), (a, b)))
    # One step, so that the running averages differ from their initial values.
    state, _ = gan.d_step(gan.init(make_key(), both), both, make_key(1))
    penalty_a, penalty_b, penalty_both = (
        gan.d_step(state, x, make_key(2))[1]["penalty"] for x in (a_twice, b_twice, both)
    )
    assert abs(penalty_a - penalty_b) > 0.01 * penalty_both
    np.testing.assert_allclose((penalty_a + penalty_b) / 2, penalty_both, rtol=1e-5)
