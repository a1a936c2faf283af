"""Measurements of samples of a trained GAN or population."""

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.evaluation import measure_samples
from jaxgan.evaluation.samples import score_members
from jaxgan.training.rng import make_rng_streams
from tests.helpers.networks import real_batch, small_gan


def sample_moments(samples):
    return {"num": jnp.float32(len(samples)), "mean": jnp.mean(samples)}


def test_measure_samples_of_a_population_equals_that_of_each_member():
    gan = small_gan()
    states = [gan.init(jax.random.key(i), real_batch()) for i in range(2)]
    population = jax.tree.map(lambda *leaves: jnp.stack(leaves), *states)
    found = measure_samples(gan, population, 50, sample_moments, seed=3, num_seeds=2)
    assert found["num"].tolist() == [50, 50]
    for i, state in enumerate(states):
        alone = measure_samples(gan, state, 50, sample_moments, seed=3 + i)
        assert alone["mean"].shape == (1,)
        np.testing.assert_allclose(found["mean"][i], alone["mean"][0], rtol=1e-5, atol=1e-6)
    samples = gan.sample(states[0], make_rng_streams(3).eval, 50)
    np.testing.assert_allclose(found["mean"][0], jnp.mean(samples), rtol=1e-5, atol=1e-6)


def test_score_members_applies_the_function_to_each_member():
    population, keys = {"x": jnp.arange(3.0)}, jax.random.split(jax.random.key(0), 3)

    def score_fn(state, key):
        return {"x": float(state["x"]), "key": int(jax.random.key_data(key).sum())}

    found = score_members(score_fn, population, keys, 3)
    assert found["x"].tolist() == [0, 1, 2]
    assert found["key"].tolist() == jax.random.key_data(keys).sum(-1).tolist()
    alone = score_members(score_fn, {"x": jnp.float32(5)}, jax.random.key(1), None)
    assert alone["x"].tolist() == [5]
