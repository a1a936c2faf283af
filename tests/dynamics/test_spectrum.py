import sys

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxgan import dynamics, losses, make_gan, models, optimizers, priors
from jaxgan.errors import ConfigError

DIAGONAL = jnp.array([3.0, -1.0, 0.5, 2.0, 0.1, -0.2])


def linear_field(x):
    return DIAGONAL * x


def test_spectrum_of_a_dense_jacobian_has_every_eigenvalue():
    found = dynamics.spectrum(linear_field, jnp.ones(6))
    np.testing.assert_allclose(
        found.eigenvalues, sorted(DIAGONAL, key=lambda x: -abs(x)), rtol=1e-6
    )
    assert found.dominant == found.rightmost == 3
    assert found.leftmost == -1
    assert not found.residuals.any()


def test_arnoldi_finds_every_eigenvalue_with_as_many_products():
    found = dynamics.spectrum(linear_field, jnp.ones(6), num_matvecs=6)
    np.testing.assert_allclose(
        found.eigenvalues, sorted(DIAGONAL, key=lambda x: -abs(x)), rtol=1e-4, atol=1e-5
    )
    np.testing.assert_allclose(found.residuals, 0, atol=1e-5)


def test_residuals_are_those_of_the_ritz_vectors():
    with jax.enable_x64(True):
        rng = np.random.default_rng(0)
        matrix, start = rng.normal(size=(30, 30)), rng.normal(size=30)
        hessenberg, residual = dynamics.arnoldi(lambda x: matrix @ x, jnp.array(start), 8)
        found = dynamics.ritz_spectrum(hessenberg, residual)
        basis, _ = np.linalg.qr(
            np.stack([np.linalg.matrix_power(matrix, i) @ start for i in range(8)], 1)
        )
        values, vectors = np.linalg.eig(basis.T @ matrix @ basis)
        ritz_vectors = basis @ vectors
        expected = np.linalg.norm(matrix @ ritz_vectors - values * ritz_vectors, axis=0)
        order = np.argsort(-np.abs(values), kind="stable")
        np.testing.assert_allclose(np.abs(found.eigenvalues), np.abs(values)[order], rtol=1e-7)
        np.testing.assert_allclose(found.residuals, expected[order], rtol=1e-6)
        kept = found.converged(0.1)
        assert (kept.residuals <= 0.1 * np.abs(found.eigenvalues).max()).all()


@pytest.mark.parametrize("width", [12, pytest.param(48, marks=pytest.mark.stress)])
def test_arnoldi_agrees_with_the_dense_jacobian_of_two_networks(width):
    """With 470 parameters, and 1,898 under --full."""
    with jax.enable_x64(True):
        dtypes = {"param_dtype": jnp.float64}
        gan = make_gan(
            models.MLPGenerator(shape=(15,), widths=(width,), output=jax.nn.identity, **dtypes),
            models.MLPDiscriminator(widths=(width,), **dtypes),
            losses.non_saturating,
            optax.sgd(0.1),
            optax.sgd(0.1),
            priors.normal(5),
        )
        real = jnp.asarray(np.random.default_rng(0).normal(size=(32, 15)))
        state = gan.init(jax.random.key(0), real)
        # Larger weights than those of an initialization spread the eigenvalues.
        state = state.replace(
            d=state.d.replace(params=jax.tree.map(lambda x: 3 * x, state.d.params))
        )
        field_fn, params = dynamics.make_gan_field(gan, state, real, jax.random.key(1))
        dense = dynamics.spectrum(field_fn, params)
        found = dynamics.spectrum(field_fn, params, num_matvecs=100)
        for name in ("dominant", "leftmost", "rightmost"):
            value, expected = getattr(found, name), getattr(dense, name)
            assert abs(value.real - expected.real) < 1e-6, name
            assert abs(abs(value.imag) - abs(expected.imag)) < 1e-6, name
        converged = found.converged(1e-9)
        assert len(converged.eigenvalues) >= 10
        distances = np.abs(converged.eigenvalues[:, None] - dense.eigenvalues).min(1)
        assert distances.max() < 1e-6


def test_adam_preconditioner_is_the_divisor_of_adam():
    tx = optimizers.optimistic(optimizers.adam(1e-3))
    opt_state = tx.init(jnp.zeros(2))
    for grads in (jnp.array([1.0, 1e-4]), jnp.array([2.0, 0.0])):
        _, opt_state = tx.update(grads, opt_state)
    second_moments = np.array([0.999 * 1 + 4, 0.999 * 1e-8]) * 0.001 / (1 - 0.999**2)
    found = dynamics.adam_preconditioner(opt_state, 0.999)
    np.testing.assert_allclose(found, 1 / (np.sqrt(second_moments) + 1e-8), rtol=1e-4)
    with pytest.raises(ConfigError, match="the optimizer state has no second moments"):
        dynamics.adam_preconditioner(optax.sgd(0.1).init(jnp.zeros(2)), 0.999)


@pytest.mark.parametrize("num", [0, 7])
def test_spectrum_raises_on_too_many_products(num):
    with pytest.raises(ConfigError, match=f"num_matvecs is {num}, expected 1 to 6"):
        dynamics.spectrum(linear_field, jnp.ones(6), num_matvecs=num)


def test_spectrum_names_the_extra_if_matfree_is_missing(monkeypatch):
    monkeypatch.setitem(sys.modules, "matfree", None)
    with pytest.raises(ConfigError, match=r"pip install 'jaxgan\[dynamics\]'"):
        dynamics.spectrum(linear_field, jnp.ones(6), num_matvecs=2)


@pytest.mark.parametrize("num_matvecs", [None, 2])
def test_spectrum_raises_if_the_jacobian_is_not_finite(num_matvecs):
    with pytest.raises(ConfigError, match=r"the .*Jacobian has entries that are not finite"):
        dynamics.spectrum(lambda x: jnp.nan * x, jnp.ones(6), num_matvecs=num_matvecs)
