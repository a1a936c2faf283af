"""Scores of samples of a mixture of Gaussians: closed forms and expectations."""

import math
from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.data.mixture import MIXTURES, RING, sample_mixture
from jaxgan.errors import ShapeError
from jaxgan.metrics.mixture import EXPECTED_HIGH_QUALITY, MixtureScores, expected_kl, mixture_scores

EACH_KIND = pytest.mark.parametrize("kind", MIXTURES)
POOR = np.array([[0.5, 0.5]])  # far from every mode of both mixtures


@partial(jax.jit, static_argnums=0)
def jitted_scores(kind, samples):
    return mixture_scores(samples, MIXTURES[kind])


def compute_scores(kind, samples):
    return jax.tree.map(float, jitted_scores(kind, jnp.asarray(samples, jnp.float32)))


def test_expected_high_quality_and_kl_have_published_values():
    assert abs(EXPECTED_HIGH_QUALITY - 0.98889) < 5e-6
    assert abs(expected_kl(8, 2500) - 0.0014) < 1e-12
    assert abs(expected_kl(25, 2500) - 0.0048) < 1e-12


@EACH_KIND
def test_mixture_scores_of_the_mixture_itself_have_the_expected_means(kind):
    mixture, num, trials = MIXTURES[kind], 2_500, 200
    measure = jax.vmap(lambda key: mixture_scores(sample_mixture(mixture, key, num), mixture))
    scores = jax.device_get(jax.jit(measure)(jax.random.split(jax.random.key(1), trials)))
    num_modes = len(mixture.means)
    assert set(scores.modes_found) == {num_modes}
    shares = np.asarray(scores.high_quality, np.float64)
    binomial_std = (EXPECTED_HIGH_QUALITY * (1 - EXPECTED_HIGH_QUALITY) / num) ** 0.5
    assert abs(shares.mean() - EXPECTED_HIGH_QUALITY) < 4 * binomial_std / trials**0.5
    assert abs(shares.std() / binomial_std - 1) < 4 / (2 * trials) ** 0.5
    # Samples that are not of high quality count for no mode.
    expected = expected_kl(num_modes, num * EXPECTED_HIGH_QUALITY)
    chi_squared_std = (2 * (num_modes - 1)) ** 0.5 / (2 * num)
    assert abs(scores.kl_divergence.mean() - expected) < 4 * chi_squared_std / trials**0.5


@EACH_KIND
@pytest.mark.parametrize("num_found", [1, 3, None])
def test_mixture_scores_of_equally_frequent_modes(kind, num_found):
    means = MIXTURES[kind].means[:num_found]
    scores = compute_scores(kind, np.repeat(means, 6, axis=0))
    expected = MixtureScores(len(means), 1, math.log(len(MIXTURES[kind].means) / len(means)))
    chex.assert_trees_all_close(scores, expected, atol=1e-6)


@EACH_KIND
@pytest.mark.parametrize(("distance", "share"), [(2.99, 1), (3.01, 0)])
def test_mixture_scores_high_quality_is_within_three_sigma(kind, distance, share):
    mixture, angles = MIXTURES[kind], np.linspace(0, 6, 7)
    directions = np.stack([np.cos(angles), np.sin(angles)], axis=1)
    samples = mixture.means[:1] + distance * mixture.sigma * directions
    assert compute_scores(kind, samples).high_quality == share


@EACH_KIND
def test_mixture_scores_count_poor_samples_for_no_mode(kind):
    means = MIXTURES[kind].means
    only_poor = compute_scores(kind, np.repeat(POOR, 4, axis=0))
    chex.assert_trees_all_close(only_poor, MixtureScores(0.0, 0.0, math.log(len(means))), atol=1e-6)
    unequal = [*means[:1], *means[1:2], *means[1:2], *means[1:2]]  # frequencies 1/4 and 3/4
    scores = compute_scores(kind, np.concatenate([unequal, POOR, POOR, POOR, POOR]))
    divergence = math.log(len(means)) + 0.25 * math.log(0.25) + 0.75 * math.log(0.75)
    chex.assert_trees_all_close(scores, MixtureScores(2.0, 0.5, divergence), atol=1e-6)


@EACH_KIND
def test_mixture_scores_of_nan_are_not_of_high_quality(kind):
    assert compute_scores(kind, np.full((3, 2), np.nan)).high_quality == 0


def test_mixture_scores_under_vmap_match_float64():
    samples = np.random.default_rng(0).normal(size=(3, 50, 2)) * 0.03 + RING.means[None, :1]
    batched = jax.jit(jax.vmap(partial(mixture_scores, mixture=RING)))(
        jnp.asarray(samples, jnp.float32)
    )
    for i in range(3):
        with jax.enable_x64(True):
            single = jitted_scores("ring", jnp.asarray(samples[i], jnp.float64))
        chex.assert_trees_all_close(
            jax.tree.map(lambda x, i=i: float(x[i]), batched), jax.tree.map(float, single)
        )


@pytest.mark.parametrize("shape", [(2,), (0, 2), (4, 3), (4, 2, 1)])
def test_mixture_scores_reject_wrong_shapes(shape):
    with pytest.raises(ShapeError, match=r"expected \[N, 2\] with N at least 1"):
        mixture_scores(jnp.zeros(shape), RING)
