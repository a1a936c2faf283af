"""Metrics for generated samples, as pure functions of arrays.

Features are an argument, so any feature network can supply them. The functions run under `jit` and
`vmap`; those that return a Python float are closed-form expectations for the real baseline.

`expected_kl` exists for class counts and for mixtures, and `ssim` is a module and a function, so
these modules are exported instead: `classes.expected_kl`, `mixture.expected_kl`, `ssim.ssim`.
"""

from jaxgan.metrics import classes, mixture, ssim
from jaxgan.metrics.classes import (
    class_counts,
    classifier_score,
    count_modes,
    expected_modes,
    kl_divergence,
)
from jaxgan.metrics.fidelity_diversity import (
    DensityCoverage,
    PrecisionRecall,
    density_coverage,
    expected_coverage,
    precision_recall,
)
from jaxgan.metrics.frechet import Moments, feature_moments, frechet_distance
from jaxgan.metrics.kernel import KernelDistance, kernel_distance
from jaxgan.metrics.mixture import MixtureScores, mixture_scores
from jaxgan.metrics.neighbors import knn_radii, nearest_neighbors
from jaxgan.metrics.parabola import (
    ParabolaDistance,
    expected_w2_squared,
    parabola_distance,
    project_samples,
)
from jaxgan.metrics.ssim import IntraClassSSIM, intra_class_ssim

__all__ = [
    "DensityCoverage",
    "IntraClassSSIM",
    "KernelDistance",
    "MixtureScores",
    "Moments",
    "ParabolaDistance",
    "PrecisionRecall",
    "class_counts",
    "classes",
    "classifier_score",
    "count_modes",
    "density_coverage",
    "expected_coverage",
    "expected_modes",
    "expected_w2_squared",
    "feature_moments",
    "frechet_distance",
    "intra_class_ssim",
    "kernel_distance",
    "kl_divergence",
    "knn_radii",
    "mixture",
    "mixture_scores",
    "nearest_neighbors",
    "parabola_distance",
    "precision_recall",
    "project_samples",
    "ssim",
]
