"""Fréchet distance between two sets of features: the FID, with the features of any network.

The distance depends on the features, so values are comparable only if they come from the same
feature network. The estimate is biased: two sets of N samples of the same distribution are about
c/N apart, where c grows with the number of features F and with their variance. Compare only
distances with equal sample sizes, and report the distance between two sets of real samples as the
baseline.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxgan._checks import check_floating
from jaxgan.errors import ShapeError


class Moments(NamedTuple):
    """Mean and covariance of a set of features.

    Attributes:
      mean: `[F]`.
      covariance_factor: `[F, F]`, a factor R of the unbiased covariance (normalized by N - 1):
        covariance = RᵀR. R is unique only up to an orthogonal matrix from the left.
    """

    mean: jax.Array
    covariance_factor: jax.Array


def feature_moments(features: jax.Array) -> Moments:
    """Computes the mean and a covariance factor of features.

    The factor is the R of a QR decomposition of the centered features. The features are never
    squared, so float32 is accurate enough.

    Args:
      features: `[N, F]`, floating; N may be less than F.

    Returns:
      The moments, at least float32.

    Raises:
      ShapeError: If `features` is not `[N, F]` with N at least 2 and F at least 1.
      DtypeError: If `features` is not floating.
    """
    if features.ndim != 2 or len(features) < 2 or not features.size:
        raise ShapeError(
            f"features have shape {list(features.shape)}, expected [N, F] with N at least 2 and F "
            "at least 1; pass one row of features per sample"
        )
    check_floating(features=features)
    features = features.astype(jnp.promote_types(features.dtype, jnp.float32))
    num, dim = features.shape
    mean = jnp.mean(features, axis=0)
    # If the mean is much larger than the deviations, it is off by rounding. The mean of the
    # deviations is that error.
    correction = jnp.mean(features - mean[None], axis=0)
    centered = features - (mean + correction)[None]
    # Rows of zeros make R square if N < F; they do not change RᵀR.
    padded = jnp.pad(centered, ((0, max(dim - num, 0)), (0, 0)))
    return Moments(mean + correction, jnp.linalg.qr(padded, mode="r") / (num - 1) ** 0.5)


def frechet_distance(a: Moments, b: Moments) -> jax.Array:
    """Squared Fréchet distance of two Gaussians: |m₁ - m₂|² + tr(S₁ + S₂ - 2 (S₁S₂)^½).

    This is the quantity reported as FID; like the FID, it is not the square root.

    Args:
      a: Moments of one set of features, with mean m₁ `[F]` and covariance S₁ = R₁ᵀR₁.
      b: Moments of the other set, with mean m₂ and covariance S₂ = R₂ᵀR₂; the order of the two
        does not matter.

    Returns:
      Scalar, at least 0, in squared units of the features; 0 up to rounding if the moments are
      equal.

    Raises:
      ShapeError: If the moments have different numbers of features.

    References:
      Dowson and Landau 1982; Heusel et al. 2017, eq. 6.
    """
    if a.covariance_factor.shape != b.covariance_factor.shape:
        raise ShapeError(
            f"the moments have {a.mean.shape[-1]} and {b.mean.shape[-1]} features, expected the "
            "same number; compute both with the same feature network"
        )
    # The eigenvalues of S₁S₂ are the squared singular values of R₁R₂ᵀ = UΣVᵀ, so tr (S₁S₂)^½ is
    # the nuclear norm tr Σ. The covariance term |R₁|² + |R₂|² - 2 tr Σ (Frobenius norms) therefore
    # equals |UᵀR₁ - VᵀR₂|², the distance of the factors under the best rotation. It is computed in
    # this last form because it has no cancellation.
    u, _, vt = jnp.linalg.svd(
        jnp.matmul(a.covariance_factor, b.covariance_factor.T, precision="highest")
    )
    difference = jnp.matmul(u.T, a.covariance_factor, precision="highest") - jnp.matmul(
        vt, b.covariance_factor, precision="highest"
    )
    return jnp.sum((a.mean - b.mean) ** 2) + jnp.sum(difference**2)
