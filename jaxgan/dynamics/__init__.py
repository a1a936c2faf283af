"""The game's derivatives: its Jacobian, its eigenvalues, and what follows for training.

A GAN is not minimized, it is played. Both networks follow the vector field F = (∂L_D/∂θ_D,
∂L_G/∂θ_G), each the gradient of its own loss with respect to its own parameters, and gradient
descent with learning rate η maps the parameters x to x - η F(x). Whether that settles is decided by
the eigenvalues λ of the Jacobian J of F: near an equilibrium, a simultaneous step multiplies the
part of the error along an eigenvector by 1 - ηλ. J is not symmetric, because the players have
different losses, so its eigenvalues are complex: positive real parts contract, imaginary parts
rotate.

Mescheder et al. and Nagarajan and Kolter write the dynamics as v = -F; their eigenvalues are those
of this module with the opposite sign, and negative real parts contract.
"""

from jaxgan.dynamics.field import adam_preconditioner, consensus, make_gan_field
from jaxgan.dynamics.jacobian import (
    alternating_product,
    jacobian,
    jacobian_vector_product,
    precondition,
    rotation,
    vector_jacobian_product,
)
from jaxgan.dynamics.spectrum import Spectrum, arnoldi, ritz_spectrum, spectrum
from jaxgan.dynamics.stability import (
    alternating_factor,
    contraction_factor,
    max_alternating_rate,
    max_stable_rate,
)

__all__ = [
    "Spectrum",
    "adam_preconditioner",
    "alternating_factor",
    "alternating_product",
    "arnoldi",
    "consensus",
    "contraction_factor",
    "jacobian",
    "jacobian_vector_product",
    "make_gan_field",
    "max_alternating_rate",
    "max_stable_rate",
    "precondition",
    "ritz_spectrum",
    "rotation",
    "spectrum",
    "vector_jacobian_product",
]
