"""Eigenvalues of the Jacobian: all of a dense one, or the outer ones by Arnoldi's method."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from jaxgan._checks import check_integers
from jaxgan.dynamics.field import Field
from jaxgan.dynamics.jacobian import jacobian, jacobian_vector_product, squared_norm
from jaxgan.errors import ConfigError


class Spectrum(NamedTuple):
    """Eigenvalues of a Jacobian, or approximations of its outer ones.

    Attributes:
      eigenvalues: Complex `[k]`, by descending modulus.
      residuals: `[k]`, |J v - λ v| of the approximate unit eigenvectors v; 0 for a dense Jacobian.
        Each λ is an exact eigenvalue of a matrix whose distance from J, in the spectral norm, is
        its residual (the backward error).
    """

    eigenvalues: np.ndarray
    residuals: np.ndarray

    def converged(self, tolerance: float = 1e-3) -> "Spectrum":
        """Returns the part whose residuals are at most `tolerance` times the largest modulus."""
        limit = tolerance * np.abs(self.eigenvalues).max()
        kept = self.residuals <= limit
        return Spectrum(self.eigenvalues[kept], self.residuals[kept])

    @property
    def dominant(self) -> complex:
        """The eigenvalue of the largest modulus, which bounds the stable learning rates."""
        return complex(self.eigenvalues[0])

    @property
    def leftmost(self) -> complex:
        """The eigenvalue of the smallest real part; the point is unstable if that is negative."""
        return complex(self.eigenvalues[np.argmin(np.real(self.eigenvalues))])

    @property
    def rightmost(self) -> complex:
        """The eigenvalue of the largest real part."""
        return complex(self.eigenvalues[np.argmax(np.real(self.eigenvalues))])


def spectrum(
    field_fn: Field, params: Any, num_matvecs: int | None = None, key: jax.Array | None = None
) -> Spectrum:
    """Returns the eigenvalues of a field's Jacobian.

    Args:
      field_fn: The field.
      params: The point at which the Jacobian is evaluated, n parameters in all.
      num_matvecs: Number of products with the Jacobian, from 1 to n. Eigenvalues of large modulus
        and at the edge of the spectrum converge first. None computes all eigenvalues from the dense
        Jacobian, which takes O(n³) operations.
      key: A typed PRNG key, which is consumed; it draws the first vector of Arnoldi's method. None
        uses `jax.random.key(0)`.

    Returns:
      `num_matvecs` approximate eigenvalues with their residuals, or all n.

    Raises:
      ConfigError: If the dense Jacobian is too large or not finite, `num_matvecs` is out of its
        range, or the package matfree is missing.

    References:
      Saad 2011, "Numerical methods for large eigenvalue problems", section 6.2 (Arnoldi's method,
      Ritz values and their residuals).
    """
    if num_matvecs is None:
        matrix = np.asarray(jax.jit(lambda p: jacobian(field_fn, p))(params), np.float64)
        check_finite(matrix)
        return sort_spectrum(np.linalg.eigvals(matrix), np.zeros(len(matrix)))
    flat, unravel = ravel_pytree(params)
    key = jax.random.key(0) if key is None else key
    vector = unravel(jax.random.normal(key, flat.shape, flat.dtype))

    def project(params, vector):
        product_fn = partial(jacobian_vector_product, field_fn, params)
        return arnoldi(product_fn, vector, num_matvecs)

    return ritz_spectrum(*jax.jit(project)(params, vector))


def arnoldi(
    product_fn: Callable[[Any], Any], vector: Any, num_matvecs: int
) -> tuple[jax.Array, jax.Array]:
    """Projects a linear map J onto the Krylov space of v, J v, …, J^(k-1) v; works under `jit`.

    Args:
      product_fn: Maps v to J v, such as a partial `jacobian_vector_product`.
      vector: v, a pytree of n numbers that are not all 0.
      num_matvecs: k, from 1 to n.

    Returns:
      `(hessenberg [k, k], residual)`, the arguments of `ritz_spectrum`: the matrix of the
      projection in an orthonormal basis, and the norm of the component of J q that is orthogonal to
      the space, where q is the last basis vector.

    Raises:
      ConfigError: If `num_matvecs` is out of its range, or the package matfree is missing.
    """
    check_integers(num_matvecs=num_matvecs)
    size = ravel_pytree(vector)[0].size
    if not 1 <= num_matvecs <= size:
        raise ConfigError(
            f"num_matvecs is {num_matvecs}, expected 1 to {size}, the number of parameters"
        )
    try:
        from matfree import decomp
    except ModuleNotFoundError as error:
        raise ConfigError(
            "Arnoldi's method needs the package matfree; install it with: "
            "pip install 'jaxgan[dynamics]'"
        ) from error
    found = decomp.hessenberg(num_matvecs, reortho="full", custom_vjp=False)(product_fn, vector)
    return jnp.asarray(found.J_small), jnp.sqrt(squared_norm(found.residual))


def ritz_spectrum(hessenberg: jax.typing.ArrayLike, residual: jax.typing.ArrayLike) -> Spectrum:
    """Returns the Ritz values, which are the eigenvalues of the projected Jacobian.

    The residual of a Ritz value is `residual` times the modulus of the last entry of its unit
    eigenvector. Computed by NumPy on the host, so not under `jit`.

    Args:
      hessenberg: `[k, k]`, see `arnoldi`.
      residual: Scalar, see `arnoldi`.

    Raises:
      ConfigError: If the matrix is not finite.

    References:
      Saad 2011, section 6.2 (Ritz values and their residuals).
    """
    matrix = np.asarray(hessenberg, np.float64)
    if not np.isfinite(matrix).all():
        raise ConfigError(
            "the projection of the Jacobian has entries that are not finite, so it has no "
            "eigenvalues; check the parameters and the samples, and that the product with the "
            "first vector is not 0"
        )
    values, vectors = np.linalg.eig(matrix)
    return sort_spectrum(values, float(np.asarray(residual)) * np.abs(vectors[-1]))


def check_finite(matrix: np.ndarray) -> None:
    """Raises ConfigError if the Jacobian has entries that are not finite."""
    if not np.isfinite(matrix).all():
        raise ConfigError(
            "the Jacobian has entries that are not finite, so it has no eigenvalues; check the "
            "parameters and the samples"
        )


def sort_spectrum(eigenvalues: np.ndarray, residuals: np.ndarray) -> Spectrum:
    """Returns a spectrum, sorted by descending modulus."""
    order = np.argsort(-np.abs(eigenvalues), kind="stable")
    return Spectrum(eigenvalues[order].astype(complex), residuals[order])
