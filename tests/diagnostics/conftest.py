"""Small GANs that are trained to fail in one way each."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from jaxgan import losses, make_gan, models, optimizers, priors
from jaxgan.data import Mixture, mixture_source
from jaxgan.data.mixture import RING, sample_mixture
from jaxgan.data.parabola import A_MAX, A_MIN, parabola_source, parabolas
from tests.helpers.histories import train_history

WIDE_RING = Mixture(RING.means, 0.05)


class SaturatingCritic(nn.Module):
    """A critic whose score cannot leave [-1, 1]."""

    @nn.compact
    def __call__(self, x, *, train):
        return jnp.tanh(models.MLPDiscriminator(widths=(64,), hidden=nn.relu)(x, train=train))


class SigmoidDiscriminator(nn.Module):
    """A discriminator that returns a probability instead of a logit."""

    @nn.compact
    def __call__(self, x, *, train):
        return nn.sigmoid(models.MLPDiscriminator(widths=(64,))(x, train=train))


DEAD_D = models.MLPDiscriminator(widths=(64,), hidden=lambda x: 0 * x)
# Five layers of 32 units: the scores of all samples are about equal at initialization.
BLIND_D = models.MLPDiscriminator(widths=(32,) * 5, hidden=nn.relu)

# Arguments of `train_small_gan`, by the name of the failure.
FAILURES = {
    "D hardly learns": {"d_rate": 1e-6, "g_rate": 1e-3},
    "D hardly learns, G has one unit": {"d_rate": 1e-6, "g_rate": 1e-2, "g": {"widths": (1,)}},
    "D does not learn": {"d_rate": 0.0, "g_rate": 1e-4},
    "D learns 200 times faster": {"d_rate": 2e-4, "g_rate": 1e-6, "steps": 1_500},
    "D is certain, the loss saturates": {
        "d_rate": 1e-2,
        "g_rate": 1e-5,
        "loss": losses.minimax,
    },
    "the critic saturates": {
        "d_rate": 1e-2,
        "g_rate": 1e-5,
        "loss": losses.wasserstein,
        "d": SaturatingCritic(),
    },
    "the critic is unconstrained": {
        "d_rate": 1e-3,
        "g_rate": 1e-6,
        "loss": losses.wasserstein,
    },
    "D is dead": {"d_rate": 1e-3, "g_rate": 1e-3, "loss": losses.minimax, "d": DEAD_D},
    "the critic is dead": {
        "d_rate": 1e-3,
        "g_rate": 1e-3,
        "loss": losses.wasserstein,
        "d": DEAD_D,
    },
    "D is blind": {
        "d_rate": 0.0,
        "g_rate": 3e-4,
        "d": BLIND_D,
        "g": {"output": jnp.tanh},
        "steps": 1_500,
    },
    "D ends in a sigmoid": {"d_rate": 1e-3, "g_rate": 1e-3, "d": SigmoidDiscriminator()},
    "G does not learn": {"d_rate": 1e-3, "g_rate": 0.0},
    "G takes ten steps": {
        "d_rate": 1e-3,
        "g_rate": 3e-2,
        "on_ring": True,
        "g_steps": 10,
        "share_noise": False,
    },
}


def train_small_gan(
    workdir,
    d_rate,
    g_rate,
    *,
    steps=1_200,
    loss=losses.non_saturating,
    g=None,
    d=None,
    on_ring=False,
    **options,
):
    """Trains on parabolas, or on the ring; returns the metrics and probes."""
    g_args = {"shape": (2,) if on_ring else (15,), "widths": (64,), "output": lambda x: x}
    gan = make_gan(
        models.MLPGenerator(**(g_args | (g or {}))),
        d or models.MLPDiscriminator(widths=(64,), hidden=nn.relu),
        loss,
        optimizers.adam(d_rate, b1=0.9),
        optimizers.adam(g_rate, b1=0.9),
        priors.normal(5),
    )
    if on_ring:
        source = mixture_source(WIDE_RING, 32, batches_per_epoch=500)
        real = sample_mixture(WIDE_RING, jax.random.key(0), 512)
    else:
        source, real = parabola_source(32), parabolas(np.linspace(A_MIN, A_MAX, 256))
    return train_history(workdir, gan, source, real, steps=steps, **options)


@pytest.fixture(scope="session")
def train_failing_gan():
    """Trains a small GAN in a folder; see `train_small_gan`."""
    return train_small_gan


@pytest.fixture(scope="session")
def failed(tmp_path_factory):
    """Returns the history of a failure by its name; each one is trained once."""
    histories = {}

    def history(name):
        if name not in histories:
            histories[name] = train_small_gan(tmp_path_factory.mktemp("run"), **FAILURES[name])
        return histories[name]

    return history
