"""Modes found, high-quality fraction and KL divergence of samples of a mixture of Gaussians.

The definitions are those of Lin et al. 2018 (PacGAN). Samples of the mixture itself have a mean
high-quality fraction of `EXPECTED_HIGH_QUALITY`, not 1, and a mean divergence of `expected_kl`,
not 0.
"""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.scipy.special import xlogy

from jaxgan._checks import check_floating
from jaxgan.data.mixture import Mixture
from jaxgan.errors import ShapeError

HIGH_QUALITY_RADIUS = 3.0
"""Radius around a mode within which a sample is of high quality, in standard deviations."""

EXPECTED_HIGH_QUALITY = 1 - math.exp(-(HIGH_QUALITY_RADIUS**2) / 2)
"""Mean high-quality fraction of samples of the mixture itself: 0.98889.

A larger fraction means that the modes are narrower than those of the mixture.
"""


class MixtureScores(NamedTuple):
    """Scores of samples of a mixture of K Gaussians; all are scalars.

    Attributes:
      modes_found: Number of modes with at least one high-quality sample, from 0 to K.
      high_quality: Fraction of samples less than three standard deviations from a mode, from 0 to
        1; the target is `EXPECTED_HIGH_QUALITY`.
      kl_divergence: KL(found || uniform) in nats, of the frequencies of the modes among the
        high-quality samples, each assigned to its nearest mode. It is 0 if all modes are equally
        frequent, ln(K / m) if m of them are, and ln K if one mode or none is found. Its mean over
        samples of the mixture itself is `expected_kl(K, N)`.
    """

    modes_found: jax.Array
    high_quality: jax.Array
    kl_divergence: jax.Array


def mixture_scores(samples: jax.Array, mixture: Mixture) -> MixtureScores:
    """Scores how well samples cover the modes of a mixture.

    Args:
      samples: `[N, 2]`, floating.
      mixture: The mixture that the samples should follow.

    Returns:
      The scores.

    Raises:
      ShapeError: If `samples` is not `[N, 2]` with N at least 1.
      DtypeError: If `samples` is not floating.

    References:
      Srivastava et al. 2017, section 4.1; Lin et al. 2018, section 4.1. The divergence is their
      "reverse KL". As in PacGAN's code, samples that are not of high quality count for no mode.
    """
    if samples.ndim != 2 or samples.shape[1] != 2 or not len(samples):
        raise ShapeError(
            f"samples have shape {list(samples.shape)}, expected [N, 2] with N at least 1; pass "
            "one point of the plane per row"
        )
    check_floating(samples=samples)
    num_modes = len(mixture.means)
    offsets = (samples[:, None] - jnp.asarray(mixture.means, samples.dtype)[None]) / mixture.sigma
    squares = jnp.sum(offsets**2, axis=-1)
    good = jnp.min(squares, axis=1) < HIGH_QUALITY_RADIUS**2
    nearest = jax.nn.one_hot(jnp.argmin(squares, axis=1), num_modes)
    counts = jnp.sum(nearest * good[:, None], axis=0)
    frequencies = counts / jnp.maximum(jnp.sum(counts), 1)
    return MixtureScores(
        modes_found=jnp.sum(counts > 0),
        high_quality=jnp.mean(good),
        kl_divergence=math.log(num_modes) + jnp.sum(xlogy(frequencies, frequencies)),
    )


def expected_kl(num_modes: int, num_samples: int) -> float:
    """Mean KL divergence of samples of the mixture itself, to first order in 1/N: (K - 1) / (2 N).

    For large N, 2N times the divergence has a chi-squared distribution with K - 1 degrees of
    freedom.

    Args:
      num_modes: K.
      num_samples: N, all of high quality.

    Returns:
      The mean in nats.
    """
    return (num_modes - 1) / (2 * num_samples)
