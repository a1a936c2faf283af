"""Metrics and gradient norms at row counts at which XLA:CPU of jaxlib 0.10.2 can be wrong.

That release miscomputes the compiled `vmap(lambda row: jnp.sum((a @ row) ** 2))(x)` for some
numbers N of rows, for example if `a` is [3, 3] and `x` is [N, 3]: with N = 40,000, the rows after
the first 32,768 are wrong in float32. In float64, the rows after the first 16,384 can be wrong. The
cause is the fusion of the matrix product, [3, N], with the sum over its first axis (jax issue
39103). Every test compares a compiled program with NumPy in float64.
"""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan import penalties
from jaxgan.data.mixture import GRID
from jaxgan.data.parabola import BASIS
from jaxgan.diagnostics.probes import total_std
from jaxgan.metrics.classes import classifier_score
from jaxgan.metrics.frechet import feature_moments
from jaxgan.metrics.mixture import mixture_scores
from jaxgan.metrics.neighbors import count_balls, nearest_neighbors
from jaxgan.metrics.parabola import project_samples
from jaxgan.models import MLPDiscriminator
from tests.helpers.arrays import normal

pytestmark = pytest.mark.default_xla

# Per dtype, the smallest count with a wrong row; and one with thousands of wrong rows.
CASES = [("float32", 32_769), ("float32", 40_000), ("float64", 16_385)]
RTOL = {"float32": 1e-5, "float64": 1e-10}
MATRIX = normal(3, 3, seed=1)

for_row_counts = pytest.mark.parametrize(("dtype", "num"), CASES)


def compile_and_call(function, dtype, *args):
    """Calls `jit` of a function with its arguments in `dtype`; the result is cast to float64."""
    with jax.enable_x64(dtype == "float64"):
        result = jax.jit(function)(*jax.tree.map(lambda x: np.asarray(x, dtype), args))
        return jax.tree.map(np.float64, result)


def draw_rows(num, width, dtype):
    """Returns normal rows that are exact in `dtype`.

    The last row is 100 times as large, so that an error in it shows in a mean over all rows.
    """
    x = normal(num, width)
    x[-1] *= 100
    return x.astype(dtype).astype(np.float64)


@for_row_counts
def test_squared_gradient_norms_are_correct_where_logits_may_be_wrong(dtype, num):
    def norms(matrix, x):
        def disc_fn(x):  # the expression that jaxlib 0.10.2 miscomputes
            return jax.vmap(lambda row: jnp.sum((matrix @ row) ** 2))(x)

        return penalties.squared_gradient_norms(disc_fn, x)

    x, matrix = draw_rows(num, 3, dtype), MATRIX.astype(dtype).astype(np.float64)
    expected = np.sum((2 * x @ matrix.T @ matrix) ** 2, axis=1)
    np.testing.assert_allclose(
        compile_and_call(norms, dtype, matrix, x), expected, RTOL[dtype], RTOL[dtype]
    )


@for_row_counts
def test_sum_of_squares_of_a_batched_product_is_correct(dtype, num):
    """The form to use instead of `vmap`: the product is `[N, 3]`, its last axis is reduced."""
    x, matrix = draw_rows(num, 3, dtype), MATRIX.astype(dtype).astype(np.float64)
    result = compile_and_call(lambda a, x: jnp.sum((x @ a.T) ** 2, axis=1), dtype, matrix, x)
    np.testing.assert_allclose(result, np.sum((x @ matrix.T) ** 2, axis=1), RTOL[dtype], 1e-6)


@for_row_counts
def test_squared_gradient_norms_of_an_mlp_agree_with_numpy(dtype, num):
    discriminator = MLPDiscriminator(widths=(3,))
    x = draw_rows(num, 3, dtype)
    w, b, v = (
        array.astype(dtype).astype(np.float64) for array in (MATRIX, normal(3), normal(3, 1))
    )
    params = {"Dense_0": {"kernel": w, "bias": b}, "Dense_1": {"kernel": v, "bias": np.zeros(1)}}

    def norms(params, x):
        return penalties.squared_gradient_norms(
            lambda x: discriminator.apply({"params": params}, x, train=False), x
        )

    gradients = (np.where(x @ w + b > 0, 1, 0.2) * v.T) @ w.T
    result = compile_and_call(norms, dtype, params, x)
    np.testing.assert_allclose(result, np.sum(gradients**2, axis=1), RTOL[dtype], RTOL[dtype])


@for_row_counts
def test_feature_moments_and_total_std_agree_with_numpy(dtype, num):
    x = draw_rows(num, 3, dtype)
    result, std = compile_and_call(lambda x: (feature_moments(x), total_std(x)), dtype, x)
    factor = result.covariance_factor
    np.testing.assert_allclose(result.mean, x.mean(0), RTOL[dtype], RTOL[dtype])
    np.testing.assert_allclose(factor.T @ factor, np.cov(x.T), RTOL[dtype], RTOL[dtype])
    np.testing.assert_allclose(std, np.sqrt(x.var(0).sum()), RTOL[dtype])


@for_row_counts
def test_classifier_score_agrees_with_numpy(dtype, num):
    logits = normal(num, 3).astype(dtype).astype(np.float64)
    p = np.exp(logits) / np.exp(logits).sum(1, keepdims=True)
    expected = np.exp(np.mean(np.sum(p * np.log(p / p.mean(0)), axis=1)))
    np.testing.assert_allclose(
        compile_and_call(classifier_score, dtype, logits), expected, RTOL[dtype]
    )


@for_row_counts
def test_mixture_scores_agree_with_numpy(dtype, num):
    rng = np.random.default_rng(0)
    x = GRID.means[rng.integers(0, 25, num)] + 1.5 * GRID.sigma * normal(num, 2)
    x = x.astype(dtype).astype(np.float64)
    squares = np.sum(((x[:, None] - GRID.means) / GRID.sigma) ** 2, axis=-1)
    good = np.min(squares, axis=1) < 9
    result = compile_and_call(lambda x: mixture_scores(x, GRID), dtype, x)
    # A sample whose distance is 3 up to rounding may count or not. At most one is so near.
    np.testing.assert_allclose(result.high_quality * num, good.sum(), rtol=0, atol=1.01)
    frequencies = np.bincount(np.argmin(squares, axis=1)[good]) / good.sum()
    expected = np.log(25) + np.sum(frequencies * np.log(frequencies))
    np.testing.assert_allclose(result.kl_divergence, expected, rtol=0, atol=1e-6)


@for_row_counts
def test_project_samples_agrees_with_numpy(dtype, num):
    x = draw_rows(num, 15, dtype)
    a = (x + 1) @ BASIS / (BASIS @ BASIS)
    residuals = x + 1 - a[:, None] * BASIS

    def project(x):
        a, residuals = project_samples(x)
        return a, jnp.sum(residuals**2, axis=1)

    result, squares = compile_and_call(project, dtype, x)
    np.testing.assert_allclose(result, a, RTOL[dtype], RTOL[dtype])
    np.testing.assert_allclose(squares, np.sum(residuals**2, axis=1), RTOL[dtype])


@pytest.mark.parametrize("width", [3, 15])  # distances from differences, and from products
def test_neighbors_agree_with_numpy(width):
    dtype, num = CASES[0]
    references = normal(num, width).astype(dtype).astype(np.float64)
    queries = (references[-4:] + 0.01).astype(dtype).astype(np.float64)
    distances = np.stack([np.sqrt(np.sum((references - query) ** 2, axis=1)) for query in queries])
    radii = np.full(num, np.quantile(distances, 0.001))

    def search(queries, references, radii):
        nearest = nearest_neighbors(queries, references, 2, batch_size=4)
        return *nearest, count_balls(queries, references, radii, batch_size=4)

    result, indices, counts = compile_and_call(search, dtype, queries, references, radii)
    expected = np.sort(distances, axis=1)[:, :2]
    np.testing.assert_allclose(result, expected, RTOL[dtype], RTOL[dtype])
    np.testing.assert_array_equal(indices[:, 0], np.argmin(distances, axis=1))
    # A reference whose distance is the radius up to rounding may count or not.
    tolerance = np.sum(np.abs(distances / radii[0] - 1) < 1e-4, axis=1)
    assert np.all(np.abs(counts - np.sum(distances <= radii[0], axis=1)) <= tolerance)
