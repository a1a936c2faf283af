"""Derivatives of the game between D and G: the Jacobian, its eigenvalues, stable learning rates.

Training a GAN is a differentiable game, not the minimization of one loss. The vector field
F = (∂L_D/∂θ_D, ∂L_G/∂θ_G) consists of the gradient of each network's own loss with respect to its
own parameters, and simultaneous gradient descent with learning rate η maps the parameters x to
x - η F(x). Local convergence depends on the eigenvalues λ of the Jacobian J of F: near an
equilibrium, a step multiplies the component of the error along an eigenvector by 1 - ηλ. J is not
symmetric, because the losses differ, so its eigenvalues can be complex: a positive real part
contracts, an imaginary part rotates.

Mescheder et al. 2017 and Nagarajan and Kolter 2017 write the dynamics as v = -F; their eigenvalues
have the opposite sign, and negative real parts contract.
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
    alternating_spectral_radius,
    contraction_factor,
    max_alternating_rate,
    max_stable_rate,
)

__all__ = [
    "Spectrum",
    "adam_preconditioner",
    "alternating_product",
    "alternating_spectral_radius",
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
