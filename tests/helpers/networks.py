"""Small networks that have everything that can go wrong: batch and spectral norms, dropout, conditions."""

import chex
import jax
import jax.numpy as jnp
import numpy as np
from flax import linen as nn

from jaxgan import losses, make_gan, optimizers, priors

SHAPE = (6, 6, 1)


class Generator(nn.Module):
    @nn.compact
    def __call__(self, z, condition=None, *, train):
        if condition is not None:
            z = jnp.concatenate([z, nn.Embed(10, 4)(condition)], -1)
        x = nn.BatchNorm(use_running_average=not train, momentum=0.9)(nn.relu(nn.Dense(16)(z)))
        x = nn.Dropout(0.1, deterministic=not train)(x)
        return jnp.tanh(nn.Dense(36)(x)).reshape(-1, *SHAPE)


class Discriminator(nn.Module):
    @nn.compact
    def __call__(self, x, condition=None, *, train):
        x = x.reshape(len(x), -1)
        if condition is not None:
            x = jnp.concatenate([x, nn.Embed(10, 4)(condition)], -1)
        x = nn.BatchNorm(use_running_average=not train, momentum=0.9)(
            nn.leaky_relu(nn.Dense(16)(x))
        )
        x = nn.Dropout(0.1, deterministic=not train)(x)
        x = nn.SpectralNorm(nn.Dense(16))(x, update_stats=train)
        return nn.Dense(1)(nn.leaky_relu(x)).squeeze(-1)


def small_gan(**changes):
    parts = {
        "generator": Generator(),
        "discriminator": Discriminator(),
        "loss": losses.non_saturating,
        "d_tx": optimizers.adam(1e-3),
        "g_tx": optimizers.adam(1e-3),
        "prior": priors.uniform(8),
    }
    return make_gan(**(parts | changes))


def real_batch(num=8, seed=0):
    return jnp.asarray(np.random.default_rng(seed).uniform(-1, 1, (num, *SHAPE)), jnp.float32)


def assert_same_bits(a, b):
    chex.assert_trees_all_equal_structs(a, b)
    chex.assert_trees_all_equal_dtypes(a, b)
    for (path, x), y in zip(
        jax.tree_util.tree_leaves_with_path(a), jax.tree.leaves(b), strict=True
    ):
        assert np.asarray(x).tobytes() == np.asarray(y).tobytes(), jax.tree_util.keystr(path)


def draw_arrays(*shapes):
    """Normal float32 arrays, the same each time."""
    rng = np.random.default_rng(0)
    return [jnp.asarray(rng.normal(size=shape), jnp.float32) for shape in shapes]
