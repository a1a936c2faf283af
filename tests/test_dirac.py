"""DiracGAN: the smallest game, whose trajectories are known (Mescheder et al. 2018, section 2).

Real data are zeros, the generator's one parameter is its output, and D(x) = psi x. The published figures are of the
same game with -psi for psi, from (theta, psi) = (1, 1), by gradient descent at the rate 0.1; where players alternate in
them, the generator moves first.
"""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from flax import linen as nn

from jaxgan import losses, make_gan, penalties, priors

RATE, STEPS = 0.1, 50


class Generator(nn.Module):
    @nn.compact
    def __call__(self, z, *, train):
        return jnp.broadcast_to(self.param("theta", nn.initializers.ones, (1, 1)), z.shape)


class Discriminator(nn.Module):
    @nn.compact
    def __call__(self, x, *, train):
        return x[:, 0] * self.param("psi", nn.initializers.constant(-1.0), ())


def make_game(loss, penalty=None):
    """A simultaneous and an alternating step, (theta, psi) -> (theta, psi) in the signs of the figures."""
    tx = optax.sgd(RATE)
    gan = make_gan(Generator(), Discriminator(), loss, tx, tx, priors.normal(1), penalty=penalty)
    real = jnp.zeros((2, 1))
    start = gan.init(jax.random.key(0), real)

    def place(theta, psi):
        d = start.d.replace(params={"psi": -psi})
        return start.replace(d=d, g=start.g.replace(params={"theta": jnp.reshape(theta, (1, 1))}))

    def read(state):
        return jnp.stack([state.g.params["theta"][0, 0], -state.d.params["psi"]])

    def simultaneous(point):
        return read(gan.step(place(*point), real, jax.random.key(1), simultaneous=True)[0])

    def alternating(point):
        state, _ = gan.g_step(place(*point), real, jax.random.key(1))
        return read(gan.d_step(state, real, jax.random.key(1))[0])

    return simultaneous, alternating


def play(step):
    """The points (theta, psi) after each of the steps, `[STEPS, 2]`."""
    return np.asarray(
        jax.jit(lambda x: jax.lax.scan(lambda x, _: (step(x),) * 2, x, length=STEPS)[1])(
            jnp.ones(2)
        )
    )


@pytest.mark.parametrize(
    ("loss", "gamma", "simultaneous", "alternating"),
    [
        ("minimax", None, (-1.50556248, -0.15501199), (-1.39279560, -0.14724309)),
        ("non_saturating", None, (-0.99051788, -0.19517205), (-0.94484798, -0.21217017)),
        ("wasserstein", None, (1.57896762, -0.89225831), (1.19721577, -0.62589261)),
        ("minimax", 0.3, (-0.50061698, 0.13309883), (-0.46880536, 0.12374797)),
        ("non_saturating", 0.3, (-0.50087150, -0.15005550), (-0.47262178, -0.14431736)),
    ],
)
def test_trajectories_end_where_the_published_ones_do(loss, gamma, simultaneous, alternating):
    game = make_game(getattr(losses, loss), None if gamma is None else penalties.r1(gamma))
    for step, end in zip(game, (simultaneous, alternating), strict=True):
        np.testing.assert_allclose(play(step)[-1], end, rtol=0, atol=1e-6)


def test_the_linear_game_spirals_out_or_circles():
    simultaneous, alternating = map(play, make_game(losses.wasserstein))
    # A simultaneous step turns the point and stretches it by sqrt(1 + h²).
    radii = np.sqrt(2) * (1 + RATE**2) ** (np.arange(1, STEPS + 1) / 2)
    np.testing.assert_allclose(np.linalg.norm(simultaneous, axis=1), radii, rtol=1e-6)
    # An alternating step, G first, stays on the ellipse theta² + psi² - h theta psi = const.
    theta, psi = alternating.T
    np.testing.assert_allclose(theta**2 + psi**2 - RATE * theta * psi, 2 - RATE, rtol=2e-6)


@pytest.mark.parametrize("loss", ["minimax", "non_saturating"])
def test_the_penalty_damps_what_else_only_turns(loss):
    @jax.jit
    @jax.vmap
    def field(gamma):
        simultaneous, _ = make_game(getattr(losses, loss), penalties.r1(gamma))
        return (jax.jacobian(simultaneous)(jnp.zeros(2)) - jnp.eye(2)) / RATE

    gammas = np.array([0.0, 0.3, 2.0])
    for gamma, matrix in zip(gammas, np.asarray(field(jnp.asarray(gammas))), strict=True):
        root = np.emath.sqrt(gamma**2 / 4 - 1 / 4)
        found = sorted(np.linalg.eigvals(matrix), key=lambda value: value.real + value.imag)
        np.testing.assert_allclose(found, [-gamma / 2 - root, -gamma / 2 + root], atol=1e-5)
