from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from jaxgan import dynamics, losses, make_gan, models, penalties
from jaxgan.errors import ConfigError
from jaxgan.models.layers import conv, conv_transpose
from tests.helpers.games import init_at, quadratic_gan, sort_complex
from tests.helpers.networks import ADAM, UNIFORM, real_batch, tiny_gan

MATRIX = [[2.0, 0.3], [-0.4, 0.7]]


def field_of(gan, batch=None, **at):
    state, real = init_at(gan, **at) if at else (gan.init(jax.random.key(0), batch), batch)
    return dynamics.make_gan_field(gan, state, real, jax.random.key(1))


def draw_like(tree, seed=0):
    rng = np.random.default_rng(seed)
    drawn = jax.tree.map(lambda x: jnp.asarray(rng.normal(size=x.shape), x.dtype), tree)
    norm = np.sqrt(inner(drawn, drawn))
    return jax.tree.map(lambda x: x / norm, drawn)


def test_jacobian_has_ds_parameters_first():
    gan = quadratic_gan(MATRIX, penalties.r1(0.5), curvature=0.2)
    field_fn, params = field_of(gan, psi=[0.3, 1.0], theta=[0.7, -1.0])
    a = np.array(MATRIX)
    expected = np.block([[0.5 * a @ a.T, a], [-a.T, 0.2 * np.eye(2)]])
    np.testing.assert_allclose(dynamics.jacobian(field_fn, params), expected, atol=1e-6)
    column_fn, row_fn = (
        jax.jit(partial(product, field_fn, params))
        for product in (dynamics.jacobian_vector_product, dynamics.vector_jacobian_product)
    )
    for i, unit in enumerate(jnp.eye(4)):
        vector = ({"psi": unit[:2]}, {"theta": unit[2:]})
        column = column_fn(vector)
        np.testing.assert_allclose(
            np.concatenate(jax.tree.leaves(column)), expected[:, i], atol=1e-6
        )
        row = row_fn(vector)
        np.testing.assert_allclose(np.concatenate(jax.tree.leaves(row)), expected[i], atol=1e-6)


def test_vector_field_is_the_gradient_that_the_steps_apply():
    gan = tiny_gan()
    state, real = gan.init(jax.random.key(0), real_batch()), real_batch()
    d_grads, g_grads = gan.vector_field(state, real, jax.random.key(1))
    _, metrics = gan.step(state, real, jax.random.key(1), simultaneous=True)
    for name, grads in (("d", d_grads), ("g", g_grads)):
        norm = np.sqrt(sum(np.vdot(x, x) for x in jax.tree.leaves(grads)))
        np.testing.assert_allclose(metrics[name]["grad_norm"], norm, rtol=1e-5)


def test_rotation_is_0_in_a_potential_game_and_1_in_a_hamiltonian_game():
    at = {"psi": [1.0, 0.5], "theta": [0.3, -0.8]}

    @jax.jit
    @jax.vmap
    def rotation_of(gamma):
        return dynamics.rotation(
            *field_of(quadratic_gan(MATRIX, penalty=penalties.r1(gamma)), **at)
        )

    hamiltonian, damped = rotation_of(jnp.array([0.0, 0.5]))
    np.testing.assert_allclose(hamiltonian, 1, rtol=1e-6)
    assert 0.1 < damped < 0.9

    def gradient_of_one_function(x):
        return jax.grad(lambda x: jnp.sum(x**4) + x[0] * x[1])(x)

    potential = dynamics.rotation(gradient_of_one_function, jnp.array([1.0, -2.0]))
    np.testing.assert_allclose(potential, 0, atol=1e-12)


class ConvGenerator(nn.Module):
    """One transposed convolution, as in models.ConvGenerator."""

    @nn.compact
    def __call__(self, z, *, train):
        x = nn.Dense(12)(z).reshape(-1, 2, 2, 3)
        return nn.tanh(conv_transpose(x, 1, (2, 2), (2, 2)))


class ConvDiscriminator(nn.Module):
    """One strided convolution, as in models.ConvDiscriminator."""

    @nn.compact
    def __call__(self, x, *, train):
        x = nn.softplus(conv(x, 3, (2, 2), "SAME", strides=2))
        return nn.Dense(1)(x.reshape(len(x), -1)).squeeze(-1)


@pytest.mark.parametrize(
    ("generator", "discriminator", "shape"),
    [
        (ConvGenerator(), ConvDiscriminator(), (4, 4, 1)),
        pytest.param(
            models.ConvGenerator(),
            models.ConvDiscriminator(),
            (28, 28, 1),
            marks=pytest.mark.stress,
        ),
    ],
)
def test_products_of_a_convolutional_pair_agree_with_finite_differences(
    generator, discriminator, shape
):
    with jax.enable_x64(True):
        loss = losses.non_saturating
        gan = make_gan(
            generator, discriminator, loss, ADAM, ADAM, UNIFORM, penalty=penalties.r1(1.0)
        )
        real = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (4, *shape)))
        state = gan.init(jax.random.key(0), real)
        state = jax.tree.map(
            lambda x: x.astype(jnp.float64) if jnp.issubdtype(x.dtype, jnp.floating) else x, state
        )
        field_fn, params = dynamics.make_gan_field(gan, state, real, jax.random.key(1))
        vector, other = draw_like(params), draw_like(params, 1)

        column, row = jax.jit(
            lambda p: (
                dynamics.jacobian_vector_product(field_fn, p, vector),
                dynamics.vector_jacobian_product(field_fn, p, other),
            )
        )(params)
        step = 1e-7  # so short that hardly any activation crosses a kink

        @jax.jit
        def field_at(position):
            return field_fn(jax.tree.map(lambda p, v: p + position * v, params, vector))

        ahead, behind = field_at(step), field_at(-step)
        expected = jax.tree.map(lambda a, b: (a - b) / (2 * step), ahead, behind)
        for found, wanted in zip(jax.tree.leaves(column), jax.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-4 * np.abs(wanted).max())
        # wᵀ(Jv) = (Jᵀw)ᵀv
        np.testing.assert_allclose(inner(other, column), inner(row, vector), rtol=1e-9)


def inner(x, y):
    return sum(jnp.vdot(a, b) for a, b in zip(jax.tree.leaves(x), jax.tree.leaves(y), strict=True))


def test_jacobian_raises_on_more_than_5000_parameters():
    with pytest.raises(ConfigError, match="has 5,001 parameters, expected at most 5,000"):
        dynamics.jacobian(lambda x: x, jnp.zeros(5_001))


def test_alternating_product_has_the_factors_of_an_alternating_step():
    rng = np.random.default_rng(0)
    matrix, rate = jnp.asarray(rng.normal(size=(5, 5))), 0.3

    def product_fn(vector):
        return jnp.split(matrix @ jnp.concatenate(vector), [2])

    columns = [
        jnp.concatenate(
            dynamics.alternating_product(product_fn, jnp.split(unit, jnp.array([2])), rate)
        )
        for unit in jnp.eye(5)
    ]
    factors = np.abs(np.linalg.eigvals(np.eye(5) - rate * np.stack(columns, 1)))
    expected = dynamics.alternating_spectral_radius(matrix, 2, rate)
    np.testing.assert_allclose(factors.max(), expected, rtol=1e-4)


def test_precondition_keeps_the_eigenvalues_of_the_scaled_jacobian():
    rng = np.random.default_rng(0)
    matrix, scale = rng.normal(size=(4, 4)), np.array([1.0, 0.1, 4.0, 9.0])
    product_fn = dynamics.precondition(lambda v: matrix @ v, scale)
    columns = np.stack([product_fn(unit) for unit in np.eye(4)], 1)
    expected = np.linalg.eigvals(np.diag(scale) @ matrix)
    np.testing.assert_allclose(
        sort_complex(np.linalg.eigvals(columns)), sort_complex(expected), rtol=1e-4, atol=1e-5
    )
