"""Tests on DiracGAN, whose training trajectories are known (Mescheder et al. 2018, section 2).

All real data are 0, the generator returns its only parameter theta, and D(x) = psi x. The published
figures use the opposite sign of psi. They show gradient descent with learning rate 0.1 from
(theta, psi) = (1, 1); with alternating updates, the generator is updated first.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

from jaxgan import losses, make_gan, penalties, priors

LEARNING_RATE, NUM_STEPS = 0.1, 50


class Generator(nn.Module):
    @nn.compact
    def __call__(self, z, *, train):
        return jnp.broadcast_to(self.param("theta", nn.initializers.ones, (1, 1)), z.shape)


class Discriminator(nn.Module):
    @nn.compact
    def __call__(self, x, *, train):
        return x[:, 0] * self.param("psi", nn.initializers.constant(-1.0), ())


def make_steps(loss, penalty=None):
    """Returns a simultaneous and an alternating step: `(theta, psi) -> (theta, psi)`.

    The sign of psi is that of the published figures.
    """
    tx = optax.sgd(LEARNING_RATE)
    gan = make_gan(Generator(), Discriminator(), loss, tx, tx, priors.normal(1), penalty=penalty)
    real = jnp.zeros((2, 1))
    initial = gan.init(jax.random.key(0), real)

    def to_state(theta, psi):
        d = initial.d.replace(params={"psi": -psi})
        g = initial.g.replace(params={"theta": jnp.reshape(theta, (1, 1))})
        return initial.replace(d=d, g=g)

    def to_point(state):
        return jnp.stack([state.g.params["theta"][0, 0], -state.d.params["psi"]])

    def simultaneous_step(point):
        state, _ = gan.step(to_state(*point), real, jax.random.key(1), simultaneous=True)
        return to_point(state)

    def alternating_step(point):
        state, _ = gan.g_step(to_state(*point), real, jax.random.key(1))
        state, _ = gan.d_step(state, real, jax.random.key(1))
        return to_point(state)

    return simultaneous_step, alternating_step


def trajectory(step_fn):
    """Returns the points (theta, psi) after each step, `[NUM_STEPS, 2]`."""

    def body(point, _):
        point = step_fn(point)
        return point, point

    _, points = jax.jit(lambda point: jax.lax.scan(body, point, length=NUM_STEPS))(jnp.ones(2))
    return np.asarray(points)


@pytest.mark.parametrize(
    ("loss", "gamma", "simultaneous_end", "alternating_end"),
    [
        ("minimax", None, (-1.50556248, -0.15501199), (-1.39279560, -0.14724309)),
        ("non_saturating", None, (-0.99051788, -0.19517205), (-0.94484798, -0.21217017)),
        ("wasserstein", None, (1.57896762, -0.89225831), (1.19721577, -0.62589261)),
        ("minimax", 0.3, (-0.50061698, 0.13309883), (-0.46880536, 0.12374797)),
        ("non_saturating", 0.3, (-0.50087150, -0.15005550), (-0.47262178, -0.14431736)),
    ],
)
def test_dirac_gan_trajectories_end_at_the_published_points(
    loss, gamma, simultaneous_end, alternating_end
):
    penalty = None if gamma is None else penalties.r1(gamma)
    simultaneous_step, alternating_step = make_steps(getattr(losses, loss), penalty)
    end = trajectory(simultaneous_step)[-1]
    np.testing.assert_allclose(end, simultaneous_end, rtol=0, atol=1e-6)
    end = trajectory(alternating_step)[-1]
    np.testing.assert_allclose(end, alternating_end, rtol=0, atol=1e-6)


def test_dirac_gan_with_wasserstein_loss_diverges_or_cycles():
    simultaneous, alternating = map(trajectory, make_steps(losses.wasserstein))
    # A simultaneous step rotates the point and scales it by sqrt(1 + h²).
    radii = np.sqrt(2) * (1 + LEARNING_RATE**2) ** (np.arange(1, NUM_STEPS + 1) / 2)
    np.testing.assert_allclose(np.linalg.norm(simultaneous, axis=1), radii, rtol=1e-6)
    # An alternating step, G first, stays on the ellipse theta² + psi² - h theta psi = const.
    theta, psi = alternating.T
    invariant = theta**2 + psi**2 - LEARNING_RATE * theta * psi
    np.testing.assert_allclose(invariant, 2 - LEARNING_RATE, rtol=2e-6)


@pytest.mark.parametrize("loss", ["minimax", "non_saturating"])
def test_dirac_gan_with_r1_has_the_eigenvalues_of_the_paper(loss):
    @jax.jit
    @jax.vmap
    def vector_field_jacobian(gamma):
        simultaneous_step, _ = make_steps(getattr(losses, loss), penalties.r1(gamma))
        return (jax.jacobian(simultaneous_step)(jnp.zeros(2)) - jnp.eye(2)) / LEARNING_RATE

    gammas = np.array([0.0, 0.3, 2.0])
    jacobians = np.asarray(vector_field_jacobian(jnp.asarray(gammas)))
    for gamma, jacobian in zip(gammas, jacobians, strict=True):
        # -gamma/2 is the damping; without a penalty the eigenvalues are imaginary.
        root = np.emath.sqrt(gamma**2 / 4 - 1 / 4)
        eigenvalues = sorted(np.linalg.eigvals(jacobian), key=lambda value: value.real + value.imag)
        np.testing.assert_allclose(eigenvalues, [-gamma / 2 - root, -gamma / 2 + root], atol=1e-5)
