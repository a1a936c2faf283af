"""One or two steps of every optimizer for games, computed by hand on games of two parameters."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxgan import dynamics, losses, make_train_step, optimizers
from jaxgan.errors import ConfigError
from tests.helpers.games import dirac_gan, init_at, point_of

START = np.array([0.8, -0.5])  # (ψ, θ)
RATE = 0.1


def field(point, mean=0.0):
    """The gradients of the DiracGAN with Wasserstein loss and real samples of this mean."""
    psi, theta = point
    return np.array([theta - mean, -psi])


def play(gan, num_steps, means=(0.0,), **options):
    """Returns (ψ, θ) after train steps on batches whose means are given."""
    state, _ = init_at(gan, START[:1], START[1:])
    real = jnp.stack([jnp.full((2, 1), mean) for mean in means])
    train_step = jax.jit(make_train_step(gan, len(means), **options))
    for i in range(num_steps):
        state, _ = train_step(state, real, jax.random.key(i))
    assert int(state.d.step) == int(state.g.step) == num_steps
    return point_of(state)


class Adam:
    """Adam as in algorithm 1 of Kingma and Ba 2015; `direction` is m̂ / (√v̂ + ε)."""

    def __init__(self, b1, b2=0.9):
        self.b1, self.b2, self.m, self.v, self.t = b1, b2, 0.0, 0.0, 0

    def direction(self, gradient):
        self.t += 1
        self.m = self.b1 * self.m + (1 - self.b1) * gradient
        self.v = self.b2 * self.v + (1 - self.b2) * gradient**2
        m, v = self.m / (1 - self.b1**self.t), self.v / (1 - self.b2**self.t)
        return m / (np.sqrt(v) + 1e-8)


def adam(b1):
    return lambda rate: optimizers.adam(rate, b1=b1, b2=0.9)


def test_extragradient_step_is_that_of_korpelevich():
    extrapolated = START - RATE * field(START)
    expected = START - RATE * field(extrapolated)
    found = play(dirac_gan(rate=RATE), 1, update_order="extragradient")
    np.testing.assert_allclose(found, expected, rtol=1e-6)


def test_extragradient_step_has_a_batch_of_its_own_for_each_evaluation():
    extrapolated = START - RATE * field(START, 0.3)
    expected = START - RATE * field(extrapolated, -2.0)
    found = play(dirac_gan(rate=RATE), 1, (0.3, -2.0), update_order="extragradient")
    np.testing.assert_allclose(found, expected, rtol=1e-6)
    noise = {"update_order": "extragradient", "share_noise": False}
    np.testing.assert_allclose(
        play(dirac_gan(rate=RATE), 1, (0.3, -2.0), **noise), expected, rtol=1e-6
    )


def test_extragradient_steps_with_adam_are_those_of_extra_adam():
    # Gidel et al. 2019a, algorithm 4: the moments are updated by both evaluations.
    optimizer, point = Adam(b1=0.5), START
    for _ in range(2):
        extrapolated = point - RATE * optimizer.direction(field(point))
        point = point - RATE * optimizer.direction(field(extrapolated))
    found = play(dirac_gan(rate=RATE, tx_fn=adam(0.5)), 2, update_order="extragradient")
    np.testing.assert_allclose(found, point, rtol=1e-5)


def test_optimistic_steps_are_those_of_daskalakis():
    # x_{t+1} = x_t - 2η F(x_t) + η F(x_{t-1}); at the first step F(x_{t-1}) is F(x_t).
    previous, point = field(START), START
    for _ in range(3):
        gradient = field(point)
        point, previous = point - 2 * RATE * gradient + RATE * previous, gradient
    gan = dirac_gan(rate=RATE, tx_fn=lambda rate: optimizers.optimistic(optax.sgd(rate)))
    np.testing.assert_allclose(play(gan, 3, update_order="simultaneous"), point, rtol=1e-6)


def test_optimistic_adam_is_that_of_daskalakis_and_of_optax():
    # Daskalakis et al. 2018, algorithm 1: twice the new direction, minus the previous one.
    optimizer, point, previous = Adam(b1=0.5), START, None
    for _ in range(3):
        direction = optimizer.direction(field(point))
        previous = direction if previous is None else previous
        point, previous = point - 2 * RATE * direction + RATE * previous, direction
    for tx_fn in (
        lambda rate: optimizers.optimistic(optimizers.adam(rate, b1=0.5, b2=0.9)),
        lambda rate: optax.optimistic_adam_v2(rate, b1=0.5, b2=0.9, nesterov=False),
    ):
        found = play(dirac_gan(rate=RATE, tx_fn=tx_fn), 3, update_order="simultaneous")
        np.testing.assert_allclose(found, point, rtol=1e-5)


def test_consensus_step_is_that_of_mescheder():
    # F + g JᵀF with J = [[0, 1], [-1, 0]], here g = 0.4.
    jacobian = np.array([[0.0, 1.0], [-1.0, 0.0]])
    total = field(START) + 0.4 * jacobian.T @ field(START)
    gan = dirac_gan(rate=RATE, field_transform=dynamics.consensus(0.4))
    found = play(gan, 1, update_order="simultaneous")
    np.testing.assert_allclose(found, START - RATE * total, rtol=1e-6)
    # In turn, G's update sees D's: θ' = θ - η (F_G + g (JᵀF)_G) at the new ψ.
    psi = START[0] - RATE * total[0]
    moved = np.array([psi, START[1]])
    theta = START[1] - RATE * (field(moved) + 0.4 * jacobian.T @ field(moved))[1]
    np.testing.assert_allclose(play(gan, 1, update_order="d_first"), [psi, theta], rtol=1e-6)


def test_alternating_steps_with_negative_momentum_are_those_of_gidel():
    # x_{t+1} = x_t - η F + β (x_t - x_{t-1}) with β = -0.5, one network after the other.
    (psi, theta), (psi_change, theta_change) = START, (0.0, 0.0)
    for _ in range(3):
        psi_change = -RATE * theta - 0.5 * psi_change
        psi = psi + psi_change
        theta_change = RATE * psi - 0.5 * theta_change
        theta = theta + theta_change
    gan = dirac_gan(rate=RATE, tx_fn=lambda rate: optax.sgd(rate, momentum=-0.5))
    np.testing.assert_allclose(play(gan, 3), [psi, theta], rtol=1e-6)


def test_adam_takes_a_negative_momentum():
    optimizer, point = Adam(b1=-0.5), START
    for _ in range(3):
        point = point - RATE * optimizer.direction(field(point))
    found = play(dirac_gan(rate=RATE, tx_fn=adam(-0.5)), 3, update_order="simultaneous")
    np.testing.assert_allclose(found, point, rtol=1e-5)


def test_extragradient_raises_on_other_numbers_of_updates():
    gan = dirac_gan()
    for counts in ((3, 1), (1, 2)):
        with pytest.raises(
            ConfigError, match="with update_order extragradient, expected d_steps 1"
        ):
            make_train_step(gan, *counts, update_order="extragradient")


def test_step_raises_on_an_origin_without_simultaneous_updates():
    gan = dirac_gan(losses.minimax)
    state, real = init_at(gan, START[:1], START[1:])
    with pytest.raises(ConfigError, match="an origin without simultaneous=True"):
        gan.step(state, real, jax.random.key(0), origin=state)
