"""Synthetic features that resemble those of a network."""

import numpy as np

from tests.helpers.arrays import normal

MIXING = normal(8, 128, seed=99)


def relu_features(num, seed=0, shift=0.0):
    """Returns features `[num, 128]`, of which 28 are always 0: rank-deficient, like a network's."""
    x = np.maximum((normal(num, 8, seed=seed) + shift) @ MIXING + 1, 0)
    x[:, 100:] = 0
    return x
