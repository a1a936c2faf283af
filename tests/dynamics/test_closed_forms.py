"""Eigenvalues, stable learning rates and rates of convergence of games with closed forms.

These tests need 64-bit types: `JAX_ENABLE_X64=1`, see the Makefile.
"""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxgan import dynamics, losses, make_train_step, optimizers, penalties
from tests.helpers.games import (
    dirac_gan,
    eigenvalues_at,
    init_at,
    jacobian_at,
    point_of,
    quadratic_gan,
    sort_complex,
)

pytestmark = pytest.mark.skipif(
    not jax.config.jax_enable_x64, reason="needs JAX_ENABLE_X64=1; see the Makefile"
)
# For each loss, its coupling c at the equilibrium (0, 0): J = [[0, c], [-c, 0]].
COUPLINGS = {
    "minimax": 1 / 2,
    "non_saturating": 1 / 2,
    "hinge": 1,
    "wasserstein": 1,
    "relativistic": 1 / 2,
    "relativistic_average": 1,
}
GAMMA = 0.3
MATRIX = np.array([[2.0, 0.3], [-0.4, 0.7]])


def damped_pair(damping, coupling):
    """Returns the eigenvalues of [[damping, c], [-c, 0]]."""
    root = np.emath.sqrt(damping**2 / 4 - coupling**2)
    return sort_complex([damping / 2 + root, damping / 2 - root])


def assert_eigenvalues(found, expected):
    found, expected = sort_complex(found), sort_complex(expected)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-8)


@pytest.mark.parametrize(("loss", "coupling"), COUPLINGS.items())
def test_dirac_gan_has_the_eigenvalues_of_its_loss(loss, coupling):
    # Mescheder et al. 2018, section 2 and lemma 4.1, with the opposite sign: ±c i without a
    # penalty, g/2 ± √(g²/4 - c²) with R1 of weight g.
    @jax.jit
    @jax.vmap
    def jacobian_of(r1_gamma, consensus_gamma):
        transform = dynamics.consensus(consensus_gamma)
        penalty = penalties.r1(r1_gamma)
        gan = dirac_gan(getattr(losses, loss), penalty=penalty, field_transform=transform)
        return jacobian_at(gan, [0.0], [0.0])

    r1_gammas, consensus_gammas = np.array([[0.0, 0.3, 2.5, 0.0], [0.0, 0.0, 0.0, 0.4]])
    *damped, consensus = np.linalg.eigvals(jacobian_of(r1_gammas, consensus_gammas))
    for found, gamma in zip(damped, r1_gammas, strict=False):
        assert_eigenvalues(found, damped_pair(gamma, coupling))
    # J + g JᵀJ with JᵀJ = c² I (Mescheder et al. 2017, section 4).
    real = 0.4 * coupling**2
    assert_eigenvalues(consensus, [real - 1j * coupling, real + 1j * coupling])


def test_dirac_gan_with_r2_has_the_eigenvalues_of_r1():
    gan = dirac_gan(losses.wasserstein, penalty=penalties.r2(GAMMA))
    assert_eigenvalues(eigenvalues_at(gan, [0.0], [0.0]), damped_pair(GAMMA, 1.0))


def test_dirac_gan_with_least_squares_has_a_nilpotent_jacobian():
    # D(0) = 0 differs from the target 1 of real samples, which ψ cannot change: only G reacts.
    assert_eigenvalues(eigenvalues_at(dirac_gan(losses.least_squares), [0.0], [0.0]), [0, 0])


def test_dirac_gan_with_instance_noise_has_the_eigenvalues_of_the_paper():
    # Mescheder et al. 2018, section 3.2: f''(0)s² ± √(f''(0)²s⁴ - f'(0)²) for v = -F, where
    # f(t) = -log(1 + exp(-t)), so f'(0) = 1/2 and f''(0) = -1/4. Noise of ±s has the variance s².
    sigma = 1.5
    gan = dirac_gan(losses.non_saturating, noise=sigma)
    found = eigenvalues_at(gan, [0.0], [0.0], jnp.array([[sigma], [-sigma]]))
    root = np.emath.sqrt(sigma**4 / 16 - 1 / 4)
    assert_eigenvalues(found, [sigma**2 / 4 + root, sigma**2 / 4 - root])


@pytest.mark.parametrize(("psi", "damping"), [(0.5, 1.2), (2.0, 1.2)])
def test_dirac_gan_with_a_gradient_penalty_is_damped_where_it_is_smooth(psi, damping):
    # |∇D| = |ψ| everywhere, so the penalty is w (|ψ| - 1)². Its second derivative is 2w for ψ ≠ 0;
    # at the equilibrium ψ = 0 it has a kink (Mescheder et al. 2018, section 3.1).
    gan = dirac_gan(losses.wasserstein, penalty=penalties.gradient_penalty(0.6))
    assert_eigenvalues(eigenvalues_at(gan, [psi], [0.0]), damped_pair(damping, 1.0))


def test_dirac_gan_with_a_one_sided_gradient_penalty_circles_at_the_equilibrium():
    penalty = penalties.gradient_penalty(0.6, one_sided=True)
    gan = dirac_gan(losses.wasserstein, penalty=penalty)
    assert_eigenvalues(eigenvalues_at(gan, [0.0], [0.0]), damped_pair(0.0, 1.0))


def quadratic_jacobian(matrix, gamma, curvature):
    return np.block([[gamma * matrix @ matrix.T, matrix], [-matrix.T, curvature * np.eye(2)]])


@pytest.mark.parametrize(("gamma", "curvature"), [(0.0, 0.0), (0.5, 0.2)])
def test_quadratic_game_has_the_eigenvalues_of_its_matrix(gamma, curvature):
    penalty = penalties.r1(gamma) if gamma else None
    found = eigenvalues_at(quadratic_gan(MATRIX, penalty, curvature), [0.0] * 2, [0.0] * 2)
    if gamma == 0:
        # A bilinear game rotates with the singular values of its matrix.
        values = np.linalg.svd(MATRIX, compute_uv=False)
        assert_eigenvalues(found, [1j * v for v in (*values, *-values)])
    else:
        expected = np.linalg.eigvals(quadratic_jacobian(MATRIX, gamma, curvature))
        assert_eigenvalues(found, expected)


METHODS = {
    "simultaneous": ("simultaneous", optax.sgd),
    "alternating": ("d_first", optax.sgd),
    "extragradient": ("extragradient", optax.sgd),
    "optimistic": ("simultaneous", lambda rate: optimizers.optimistic(optax.sgd(rate))),
}


@functools.partial(jax.jit, static_argnames=("build_fn", "method", "steps"))
def play(build_fn, method, rate, steps, start):
    """Returns the distances `[steps]` from the equilibrium 0 of a game played from `start`."""
    update_order, tx_fn = METHODS[method]
    gan = build_fn(rate=rate, tx_fn=tx_fn)
    state, real = init_at(gan, *start)
    train_step = make_train_step(gan, update_order=update_order)

    def body(state, key):
        state, _ = train_step(state, real[None], key)
        return state, jnp.linalg.norm(point_of(state))

    return jax.lax.scan(body, state, jax.random.split(jax.random.key(0), steps))[1]


def build_damped(**options):
    return quadratic_gan(MATRIX, penalties.r1(0.5), curvature=0.2, **options)


def build_dirac_r1(**options):
    return dirac_gan(losses.minimax, penalty=penalties.r1(GAMMA), **options)


def predict_limit(method, jacobian, num_d):
    if method == "alternating":
        return dynamics.max_alternating_rate(jacobian, num_d)
    return dynamics.max_stable_rate(np.linalg.eigvals(jacobian), method)


@pytest.mark.parametrize("method", METHODS)
def test_predicted_limits_separate_steps_that_converge_from_steps_that_diverge(method):
    cases = {
        build_damped: (quadratic_jacobian(MATRIX, 0.5, 0.2), 2),
        build_dirac_r1: (np.array([[GAMMA, 0.5], [-0.5, 0.0]]), 1),
    }
    for build_fn, (jacobian, num_d) in cases.items():
        limit = predict_limit(method, jacobian, num_d)
        start = (1e-6 * jnp.ones(num_d), 1e-6 * jnp.ones(num_d))  # where the game is linear
        below = play(build_fn, method, 0.98 * limit, 2000, start)
        above = play(build_fn, method, 1.02 * limit, 2000, start)
        assert below[-1] < 1e-2 * below[0], (method, limit)
        assert above[-1] > 1e2 * above[0], (method, limit)


@pytest.mark.parametrize("method", ["simultaneous", "extragradient", "optimistic"])
def test_bilinear_game_grows_or_shrinks_at_the_published_rate(method):
    rate = 0.2
    build_fn = functools.partial(quadratic_gan, np.eye(2))  # every singular value is 1
    distances = play(build_fn, method, rate, 300, (jnp.array([1.0, 0.5]), jnp.array([0.3, -2.0])))
    expected = {
        "simultaneous": np.sqrt(1 + rate**2),  # Gidel et al. 2019a, section 3
        "extragradient": np.sqrt(1 - rate**2 + rate**4),  # Azizian et al. 2020, section 3
        # The larger root of μ² - (1 - 2ηi)μ - ηi (Daskalakis et al. 2018; Zhang and Yu 2020).
        "optimistic": abs(1 - 2j * rate + np.sqrt(1 - 4 * rate**2 + 0j)) / 2,
    }[method]
    np.testing.assert_allclose(distances[200:] / distances[199:-1], expected, rtol=1e-8)


def test_bilinear_game_with_alternating_play_keeps_its_ellipse():
    # θ² + ψ² - η θψ is invariant if D is updated first (Gidel et al. 2019b).
    gan = dirac_gan(rate=0.2)
    state, real = init_at(gan, [1.0], [0.5])
    values = []
    for i in range(5):
        psi, theta = point_of(state)
        values.append(psi**2 + theta**2 - 0.2 * theta * psi)
        state, _ = gan.step(state, real, jax.random.key(i))
    np.testing.assert_allclose(values, values[0], rtol=1e-12)
