"""Training generative adversarial networks with pure functions.

`make_gan` turns two Linen modules, a loss and two optax optimisers into jit-compiled pure functions on an immutable
state.
"""

from jaxgan import errors, losses, models, optimizers, penalties, priors
from jaxgan.gan import GAN, make_gan
from jaxgan.population import make_population
from jaxgan.states import GANState, NetworkState
from jaxgan.train_step import make_train_step

__version__ = "0.1.0"

__all__ = [
    "GAN",
    "GANState",
    "NetworkState",
    "make_train_step",
    "errors",
    "losses",
    "make_gan",
    "models",
    "optimizers",
    "penalties",
    "priors",
    "make_population",
]
