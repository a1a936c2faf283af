"""Products with the Jacobian of a vector field, and the dense Jacobian of a small one.

All functions use reverse-mode differentiation only, because the fast convolutions of
`jaxgan.models` define a `custom_vjp`, which forward mode cannot differentiate.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jax.flatten_util import ravel_pytree

from jaxgan.dynamics.field import Field
from jaxgan.errors import ConfigError

MAX_DENSE_PARAMS = 5_000
ROWS_AT_ONCE = 64


def vector_jacobian_product(field_fn: Field, params: Any, vector: Any) -> Any:
    """Returns Jᵀ v, a pytree like `params`, for a pytree `vector` like `params`."""
    return jax.vjp(field_fn, params)[1](vector)[0]


def jacobian_vector_product(field_fn: Field, params: Any, vector: Any) -> Any:
    """Returns J v, the derivative of the field along `vector`, by reverse mode applied twice.

    w ↦ Jᵀ w is linear, so its own vector-Jacobian product, taken at w = 0, maps v to J v.

    Args:
      field_fn: The field.
      params: The point at which J is evaluated.
      vector: v, a pytree like `params`.

    Returns:
      A pytree like `params`.

    References:
      Pearlmutter 1994 (products with a matrix of derivatives that is never formed).
    """
    field, vjp_fn = jax.vjp(field_fn, params)
    _, transpose_fn = jax.vjp(lambda w: vjp_fn(w)[0], jax.tree.map(jnp.zeros_like, field))
    return transpose_fn(vector)[0]


def jacobian(field_fn: Field, params: Any) -> jax.Array:
    """Returns the Jacobian as a matrix, for at most 5,000 parameters.

    Args:
      field_fn: The field.
      params: The point at which the Jacobian is evaluated, n parameters in all.

    Returns:
      `[n, n]`; entry (i, j) is the derivative of the field's entry i with respect to parameter j,
      in the order of `jax.flatten_util.ravel_pytree`: D's parameters first for a GAN.

    Raises:
      ConfigError: If there are more than 5,000 parameters.
    """
    flat, unravel = ravel_pytree(params)
    if flat.size > MAX_DENSE_PARAMS:
        raise ConfigError(
            f"the game has {flat.size:,} parameters, expected at most {MAX_DENSE_PARAMS:,} for a "
            "dense Jacobian; use spectrum(…, num_matvecs=…) or products with vectors"
        )
    _, vjp_fn = jax.vjp(lambda x: ravel_pytree(field_fn(unravel(x)))[0], flat)

    def row(i):
        return vjp_fn(jax.nn.one_hot(i, flat.size, dtype=flat.dtype))[0]

    return jax.lax.map(row, jnp.arange(flat.size), batch_size=min(ROWS_AT_ONCE, flat.size))


def precondition(product_fn: Callable[[Any], Any], scale: Any) -> Callable[[Any], Any]:
    """Returns v ↦ √P J √P v for a diagonal P, which has the eigenvalues of P J.

    P J is the Jacobian of a field whose entries are multiplied by P, as by Adam. The similar matrix
    √P J √P is less sensitive to rounding if the entries of P differ in magnitude.

    Args:
      product_fn: Maps v to J v.
      scale: The diagonal of P, at least 0, a pytree like v; see `adam_preconditioner`.

    Returns:
      `v -> √P J √P v`.
    """
    root = jax.tree.map(jnp.sqrt, scale)

    def scaled_product(vector):
        product = product_fn(jax.tree.map(jnp.multiply, root, vector))
        return jax.tree.map(jnp.multiply, root, product)

    return scaled_product


def alternating_product(
    product_fn: Callable[[Any], Any], vector: Any, learning_rate: float | jax.Array
) -> Any:
    """Returns L v, where an alternating step multiplies the error by I - ηL.

    A simultaneous step multiplies the error by I - ηJ. In an alternating step, D is updated first,
    and G's gradient is taken at the updated D: L v = ((J v)_D, (J v')_G), where v' is v with
    -η (J v)_D added to its D part. The eigenvalues of L therefore have the same region of stability
    as those of J. Updating G first gives the same eigenvalues.

    Args:
      product_fn: Maps `(d_vector, g_vector)` to J v.
      vector: v, `(d_vector, g_vector)`.
      learning_rate: η, the learning rate of both networks; may be traced.

    Returns:
      L v, `(d_vector, g_vector)`.

    References:
      Gidel et al. 2019b; Zhang and Yu 2020 (alternating updates as a linear map). See
      `jaxgan.dynamics.stability` for the titles.
    """
    d_product, _ = product_fn(vector)
    moved = jax.tree.map(lambda v, p: v - learning_rate * p, vector[0], d_product)
    _, g_product = product_fn((moved, vector[1]))
    return d_product, g_product


def rotation(field_fn: Field, params: Any) -> jax.Array:
    """Returns how much of the dynamics is rotation: |A F|² / (|S F|² + |A F|²).

    S = (J + Jᵀ)/2 and A = (J - Jᵀ)/2 are the symmetric and the antisymmetric part of the Jacobian:
    the Jacobians of a potential game, which is a minimization, and of a Hamiltonian game, which
    rotates.

    Args:
      field_fn: The field F.
      params: The point at which F and J are evaluated.

    Returns:
      Scalar in [0, 1]: 0 for a potential game, in which F is the gradient of one function; 1 for a
      Hamiltonian game, in which |F| is constant along the flow x' = -F(x). NaN if J F and Jᵀ F are
      both 0.

    References:
      Balduzzi et al. 2018, section 2 (potential and Hamiltonian games).
    """
    field = field_fn(params)
    column = jacobian_vector_product(field_fn, params, field)
    row = vector_jacobian_product(field_fn, params, field)
    symmetric = squared_norm(jax.tree.map(jnp.add, column, row))
    antisymmetric = squared_norm(jax.tree.map(jnp.subtract, column, row))
    return antisymmetric / (symmetric + antisymmetric)


def squared_norm(tree: Any) -> jax.Array:
    """Returns the sum of the squares of all entries of a pytree."""
    return sum((jnp.vdot(x, x) for x in jax.tree.leaves(tree)), jnp.zeros(()))
