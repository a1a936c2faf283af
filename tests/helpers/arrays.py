"""Random arrays, and functions evaluated in float64, for tests of numerical functions."""

from functools import cache, partial

import jax
import numpy as np


def normal(*shape, seed=0):
    """Returns standard normal float64 numbers, the same ones for the same shape and seed."""
    return np.random.default_rng(seed).normal(size=shape)


@cache
def jitted(function, **options):
    """Returns `jit` of a function with fixed options; repeated calls share one compiled program."""
    return jax.jit(partial(function, **options))


def in_float64(function, *args, **options):
    """Calls a function under `jit` with its arguments, and so its results, in float64."""
    with jax.enable_x64(True):
        result = jitted(function, **options)(*jax.tree.map(np.float64, args))
        return jax.tree.map(np.float64, result)


def all_distances(x, y):
    """Returns the Euclidean distances `[N, M]` of the rows of `x [N, F]` and `y [M, F]`."""
    return np.sqrt(np.sum((x[:, None] - y[None]) ** 2, -1))
