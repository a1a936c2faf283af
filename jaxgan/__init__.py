"""Training of generative adversarial networks with pure functions, in JAX and Flax.

`make_gan` turns two Linen modules, a loss and two optax optimizers into jit-compiled pure functions
of an immutable state. `train` runs them with checkpoints and logs; `load_run` loads a run.
"""

from typing import TYPE_CHECKING

from jaxgan import augment, dynamics, errors, losses, models, optimizers, penalties, priors
from jaxgan._lazy import make_lazy_getattr
from jaxgan.gan import GAN, make_gan
from jaxgan.inversion import Inversion, invert
from jaxgan.population import make_population
from jaxgan.states import GANState, NetworkState
from jaxgan.train_step import make_train_step

if TYPE_CHECKING:
    from jaxgan.runs.loading import Run, load_run
    from jaxgan.training import Callbacks, TrainOptions, train

__version__ = "0.2.0"

__all__ = [
    "GAN",
    "Callbacks",
    "GANState",
    "Inversion",
    "NetworkState",
    "Run",
    "TrainOptions",
    "augment",
    "dynamics",
    "errors",
    "invert",
    "load_run",
    "losses",
    "make_gan",
    "make_population",
    "make_train_step",
    "models",
    "optimizers",
    "penalties",
    "priors",
    "train",
]

if not TYPE_CHECKING:
    __getattr__ = make_lazy_getattr(
        __name__,
        {
            "Callbacks": "jaxgan.training",
            "Run": "jaxgan.runs.loading",
            "TrainOptions": "jaxgan.training",
            "load_run": "jaxgan.runs.loading",
            "train": "jaxgan.training",
        },
    )
