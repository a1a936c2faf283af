"""Games of a few parameters whose Jacobians are known."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
from flax import linen as nn

from jaxgan import GANState, NetworkState, dynamics, losses, make_gan, models, priors


class QuadraticDiscriminator(nn.Module):
    """D(x) = ψ·Ax - m/2 |x|², whose second part only G feels at real samples 0."""

    matrix: tuple
    curvature: float = 0.0

    @nn.compact
    def __call__(self, x, *, train):
        dtype = jnp.asarray(0.0).dtype
        psi = self.param("psi", nn.initializers.ones, (len(self.matrix),), dtype)
        matrix = jnp.asarray(self.matrix, x.dtype)
        return x @ matrix.T @ psi - self.curvature / 2 * jnp.sum(x**2, -1)


def dirac_gan(loss=losses.wasserstein, rate=0.1, noise=0.0, tx_fn=optax.sgd, **options):
    """Returns the DiracGAN in one dimension, with stochastic gradient descent by default."""
    dtype = jnp.asarray(0.0).dtype
    return make_gan(
        models.DiracGenerator(noise=noise, param_dtype=dtype),
        models.DiracDiscriminator(param_dtype=dtype),
        loss,
        tx_fn(rate),
        tx_fn(rate),
        lambda key, num: jnp.resize(jnp.array([1.0, -1.0]), (num, 1)),
        **options,
    )


def quadratic_gan(matrix, penalty=None, curvature=0.0, rate=0.1, tx_fn=optax.sgd, **options):
    """Returns the game with the Jacobian [[gamma A Aᵀ, A], [-Aᵀ, curvature I]] for R1(gamma)."""
    rows = tuple(map(tuple, np.asarray(matrix).tolist()))
    dtype = jnp.asarray(0.0).dtype
    return make_gan(
        models.DiracGenerator(param_dtype=dtype),
        QuadraticDiscriminator(rows, curvature),
        losses.wasserstein,
        tx_fn(rate),
        tx_fn(rate),
        priors.normal(len(rows[0])),
        penalty=penalty,
        **options,
    )


def init_at(gan, psi, theta, real=None):
    """Returns the state of a game with the given parameters, and real samples, by default 0."""
    psi, theta = jnp.asarray(psi), jnp.asarray(theta)
    real = jnp.zeros((2, len(theta)), theta.dtype) if real is None else real
    state = gan.init(jax.random.key(0), real)
    d, g = state.d.replace(params={"psi": psi}), state.g.replace(params={"theta": theta})
    return state.replace(d=d, g=g), real


def point_of(state):
    """Returns the parameters (ψ, θ) of a state as one array."""
    return jnp.concatenate([state.d.params["psi"], state.g.params["theta"]])


def jacobian_at(gan, psi, theta, real=None):
    """Returns the Jacobian of a game at the given parameters."""
    psi, theta = jnp.asarray(psi), jnp.asarray(theta)
    real = jnp.zeros((2, len(theta)), theta.dtype) if real is None else real
    d, g = (
        NetworkState(jnp.int32(0), params, {}, ())  # a field needs no optimizer
        for params in ({"psi": psi}, {"theta": theta})
    )
    field_fn, params = dynamics.make_gan_field(gan, GANState(d, g), real, jax.random.key(1))
    return dynamics.jacobian(field_fn, params)


def eigenvalues_at(gan, psi, theta, real=None):
    """Returns the eigenvalues of a game's Jacobian, sorted by imaginary, then real part."""
    return sort_complex(np.linalg.eigvals(jacobian_at(gan, psi, theta, real)))


def sort_complex(values):
    """Returns complex numbers sorted by imaginary, then real part, up to rounding."""
    values = np.asarray(values, complex)
    return values[np.lexsort((values.real.round(9), values.imag.round(9)))]
