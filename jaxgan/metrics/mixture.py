"""Which modes of a mixture of Gaussians samples have found, and how many of them lie where they should.

Counted as Lin et al. 2018 (PacGAN) count. Even a mixture's own samples are not all near a mode, nor equally many near
each: `CEILING` and `floor` are what they score.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import xlogy

from jaxgan._checks import check_floating
from jaxgan.data.mixture import Mixture
from jaxgan.errors import ShapeError

RADIUS = 3.0
"""How many standard deviations from its mode a sample may lie."""

EXPECTED_HIGH_QUALITY = 1 - math.exp(-(RADIUS**2) / 2)
"""The share of a mixture's own samples that is of high quality: 98.889 %. A larger one is of modes drawn too sharp."""


class MixtureScores(NamedTuple):
    """Scalars.

    Attributes:
      modes: how many modes have at least one sample of high quality, 0 to K.
      high_quality: the share of samples closer to a mode than three standard deviations, 0 to 1; `CEILING` is right.
      divergence: KL(found || uniform) of the modes nearest to the samples of high quality, in nats: 0 if all are found
        equally often, ln(K / m) if so are m of them, ln K if one or none is; `floor(K, N)` for a mixture's own samples.
    """

    modes: jax.Array
    high_quality: jax.Array
    divergence: jax.Array


def mixture_scores(samples: jax.Array, mixture: Mixture) -> MixtureScores:
    """How well `samples [N, 2]` cover a mixture.

    Raises:
      ShapeError: where the samples are not `[N, 2]`, N at least 1.
      DtypeError: where they are not floating.

    References:
      Srivastava et al. 2017, section 4.1; Lin et al. 2018, section 4.1. The divergence is their "reverse KL" as their
      code takes coverage: samples of low quality count for no mode.
    """
    if samples.ndim != 2 or samples.shape[1] != 2 or not len(samples):
        raise ShapeError(f"samples have shape {list(samples.shape)}, expected [N, 2], N at least 1")
    check_floating(samples=samples)
    num = len(mixture.means)
    offsets = (samples[:, None] - jnp.asarray(mixture.means, samples.dtype)[None]) / mixture.sigma
    squares = jnp.sum(offsets**2, axis=-1)
    good = jnp.min(squares, axis=1) < RADIUS**2
    found = jnp.sum(jax.nn.one_hot(jnp.argmin(squares, axis=1), num) * good[:, None], axis=0)
    shares = found / jnp.maximum(jnp.sum(found), 1)
    return MixtureScores(
        jnp.sum(found > 0), jnp.mean(good), math.log(num) + jnp.sum(xlogy(shares, shares))
    )


def expected_kl(modes: int, num: int) -> float:
    """The mean divergence of so many samples, all of high quality, from so many modes themselves, in nats.

    (K - 1) / (2 N), the first term in 1/N: 2 N times the divergence tends to a chi-squared number of K - 1 degrees.
    """
    return (modes - 1) / (2 * num)
