"""The Fréchet distance of two sets of features, as Gaussians: the FID, with any network's features.

The features are whatever a function of images gives, so a distance means something only beside others from the same
features. It is biased: two sets of N samples of one law are about c/N apart, with a c that grows with F and with
their variance. So compare only distances of equal sample sizes, and print that of real against real beside them.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

from jaxgan._checks import check_floating
from jaxgan.errors import ShapeError


class Moments(NamedTuple):
    """What the distance knows of a set of features.

    Attributes:
      mean: `[F]`.
      root: `[F, F]`, a root of the unbiased covariance (over N - 1): rootᵀ root; unique up to a rotation from the left.
    """

    mean: jax.Array
    root: jax.Array


def feature_moments(features: jax.Array) -> Moments:
    """The moments of `features [N, F]`, at least float32; N may be less than F.

    The root is R of the QR decomposition of the centred features: they are never squared, so that float32 does.

    Raises:
      ShapeError: where the features are not `[N, F]` with N of at least 2.
      DtypeError: where they are not floating.
    """
    if features.ndim != 2 or len(features) < 2 or not features.size:
        raise ShapeError(
            f"features have shape {list(features.shape)}, expected [N, F] with N of at least 2, F of 1"
        )
    check_floating(features=features)
    features = features.astype(jnp.promote_types(features.dtype, jnp.float32))
    num, dim = features.shape
    mean = jnp.mean(features, axis=0)
    rest = jnp.mean(
        features - mean[None], axis=0
    )  # what rounding left, if the mean is large beside the deviations
    centred = features - (mean + rest)[None]
    root = (
        jnp.linalg.qr(jnp.pad(centred, ((0, max(dim - num, 0)), (0, 0))), mode="r")
        / (num - 1) ** 0.5
    )
    return Moments(mean + rest, root)


def frechet_distance(a: Moments, b: Moments) -> jax.Array:
    """|m₁ - m₂|² + tr (S₁ + S₂ - 2 (S₁ S₂)^½), the squared Fréchet distance, as FID is reported.

    With S = RᵀR, the eigenvalues of S₁ S₂ are the squared singular values of R₁ R₂ᵀ = U Σ Vᵀ, so tr (S₁ S₂)^½ is its
    nuclear norm, tr Σ. The covariances' part is thus |R₁|² + |R₂|² - 2 tr Σ = |Uᵀ R₁ - Vᵀ R₂|² (Frobenius): the roots'
    distance under the best rotation. It is computed in the last form, where nothing cancels.

    Returns:
      Scalar, at least 0, in squared units of the features; 0, to rounding, for the same moments.

    Raises:
      ShapeError: where the moments are of different numbers of features.

    References:
      Dowson and Landau 1982; Heusel et al. 2017, eq. 6.
    """
    if a.root.shape != b.root.shape:
        raise ShapeError(
            f"the moments are of {a.mean.shape[-1]} and {b.mean.shape[-1]} features, expected one number"
        )
    u, _, vt = jnp.linalg.svd(jnp.matmul(a.root, b.root.T, precision="highest"))
    turned = jnp.matmul(u.T, a.root, precision="highest") - jnp.matmul(
        vt, b.root, precision="highest"
    )
    return jnp.sum((a.mean - b.mean) ** 2) + jnp.sum(turned**2)
