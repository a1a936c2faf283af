"""Training generative adversarial networks with pure functions.

`make_gan` turns two Linen modules, a loss and two optax optimisers into jit-compiled pure functions on an immutable
state.
"""

from jaxgan import errors, losses, models, optimizers, penalties, priors
from jaxgan.alternate import alternate
from jaxgan.gan import GAN, make_gan
from jaxgan.states import GANState, NetworkState
from jaxgan.varied import vary

__version__ = "0.1.0"

__all__ = [
    "GAN",
    "GANState",
    "NetworkState",
    "alternate",
    "errors",
    "losses",
    "make_gan",
    "models",
    "optimizers",
    "penalties",
    "priors",
    "vary",
]
