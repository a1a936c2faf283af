"""Small GANs, data and assertions that several tests share."""

import functools

import chex
import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from jaxgan import losses, make_gan, models, optimizers, priors
from jaxgan.data.sources import array_source

SHAPE = (6, 6, 1)
ADAM = optimizers.adam(1e-3)
UNIFORM = priors.uniform(8)


class Generator(nn.Module):
    """A generator with batch statistics, dropout and an optional condition."""

    @nn.compact
    def __call__(self, z, condition=None, *, train):
        if condition is not None:
            z = jnp.concatenate([z, nn.Embed(10, 4)(condition)], -1)
        x = nn.BatchNorm(use_running_average=not train, momentum=0.9)(nn.relu(nn.Dense(16)(z)))
        x = nn.Dropout(0.1, deterministic=not train)(x)
        return jnp.tanh(nn.Dense(36)(x)).reshape(-1, *SHAPE)


class Discriminator(nn.Module):
    """A discriminator with batch statistics, dropout, spectral norm and an optional condition."""

    @nn.compact
    def __call__(self, x, condition=None, *, train):
        x = x.reshape(len(x), -1)
        if condition is not None:
            x = jnp.concatenate([x, nn.Embed(10, 4)(condition)], -1)
        x = nn.leaky_relu(nn.Dense(16)(x))
        x = nn.BatchNorm(use_running_average=not train, momentum=0.9)(x)
        x = nn.Dropout(0.1, deterministic=not train)(x)
        x = nn.SpectralNorm(nn.Dense(16))(x, update_stats=train)
        return nn.Dense(1)(nn.leaky_relu(x)).squeeze(-1)


def small_gan(**changes):
    """Returns a GAN with every hazard: model state, randomness in the networks, and conditions.

    `changes` replace or add arguments of `make_gan`. Equal arguments give the same GAN, whose
    functions are then traced and compiled once for all tests of a process.
    """
    kwargs = {
        "generator": Generator(),
        "discriminator": Discriminator(),
        "loss": losses.non_saturating,
        "d_tx": ADAM,
        "g_tx": ADAM,
        "prior": UNIFORM,
    }
    return _make_gan(frozenset((kwargs | changes).items()))


def tiny_gan(**changes):
    """Returns a GAN of two MLPs with 8 hidden units, which compiles fast.

    `changes` replace or add arguments of `make_gan`. Equal arguments give the same GAN.
    """
    kwargs = {
        "generator": models.MLPGenerator(shape=SHAPE, widths=(8,)),
        "discriminator": models.MLPDiscriminator(widths=(8,)),
        "prior": UNIFORM,
    }
    return small_gan(**(kwargs | changes))


@functools.cache
def _make_gan(arguments):
    return make_gan(**dict(arguments))


def tiny_source(batch_size=8, **options):
    """Returns a source of 40 random images: 5 batches of 8 per epoch.

    `options` are passed to `array_source`.
    """
    images = np.random.default_rng(0).integers(0, 256, (40, *SHAPE), np.uint8)
    return array_source(images, batch_size, **options)


def real_batch(num=8, seed=0):
    """Returns `num` random images in [-1, 1]."""
    return jnp.asarray(np.random.default_rng(seed).uniform(-1, 1, (num, *SHAPE)), jnp.float32)


def draw_arrays(*shapes):
    """Returns standard normal float32 arrays, the same in every call."""
    rng = np.random.default_rng(0)
    return [jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in shapes]


def assert_same_bits(a, b):
    """Asserts that two pytrees have the same structure, dtypes and bits."""
    chex.assert_trees_all_equal_structs(a, b)
    chex.assert_trees_all_equal_dtypes(a, b)
    for (path, x), y in zip(
        jax.tree_util.tree_leaves_with_path(a), jax.tree.leaves(b), strict=True
    ):
        assert np.asarray(x).tobytes() == np.asarray(y).tobytes(), jax.tree_util.keystr(path)
