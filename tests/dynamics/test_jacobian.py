from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan import dynamics, losses, make_gan, models, penalties
from jaxgan.errors import ConfigError
from tests.helpers.games import init_at, quadratic_gan
from tests.helpers.networks import ADAM, UNIFORM, real_batch, tiny_gan

MATRIX = [[2.0, 0.3], [-0.4, 0.7]]


def field_of(gan, batch=None, **at):
    state, real = init_at(gan, **at) if at else (gan.init(jax.random.key(0), batch), batch)
    return dynamics.make_gan_field(gan, state, real, jax.random.key(1))


def draw_like(tree, seed=0):
    rng = np.random.default_rng(seed)
    return jax.tree.map(lambda x: jnp.asarray(rng.normal(size=x.shape), x.dtype), tree)


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


def test_products_of_the_convolutional_pair_agree_with_finite_differences():
    # One convolution with a stride and its transpose, as in ConvGenerator and ConvDiscriminator.
    with jax.enable_x64(True):
        dtypes = {"dtype": jnp.float64, "param_dtype": jnp.float64}
        gan = make_gan(
            models.DCGANGenerator(shape=(8, 8, 1), width=8, **dtypes),
            models.DCGANDiscriminator(width=8, **dtypes),
            losses.non_saturating,
            ADAM,
            ADAM,
            UNIFORM,
            penalty=penalties.r1(1.0),
        )
        real = jnp.asarray(np.random.default_rng(0).uniform(-1, 1, (4, 8, 8, 1)))
        field_fn, params = field_of(gan, real)
        vector, other = draw_like(params), draw_like(params, 1)
        products = jax.jit(
            lambda p, v, w: (
                dynamics.jacobian_vector_product(field_fn, p, v),
                dynamics.vector_jacobian_product(field_fn, p, w),
            )
        )
        column, row = products(params, vector, other)
        step = 1e-6
        ahead, behind = (
            jax.jit(field_fn)(jax.tree.map(lambda p, v: p + h * v, params, vector))
            for h in (step, -step)
        )
        expected = jax.tree.map(lambda a, b: (a - b) / (2 * step), ahead, behind)
        for found, wanted in zip(jax.tree.leaves(column), jax.tree.leaves(expected), strict=True):
            np.testing.assert_allclose(found, wanted, rtol=1e-5, atol=1e-6)
        # wᵀ(Jv) = (Jᵀw)ᵀv
        np.testing.assert_allclose(inner(other, column), inner(row, vector), rtol=1e-9)


def inner(x, y):
    return sum(jnp.vdot(a, b) for a, b in zip(jax.tree.leaves(x), jax.tree.leaves(y), strict=True))


def test_jacobian_raises_on_more_than_5000_parameters():
    with pytest.raises(ConfigError, match="has 5,001 parameters, expected at most 5,000"):
        dynamics.jacobian(lambda x: x, jnp.zeros(5_001))
