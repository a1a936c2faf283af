import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.diagnostics import make_sample_probe
from jaxgan.diagnostics.probes import total_std
from jaxgan.errors import DataError, DtypeError
from tests.helpers.networks import SHAPE, real_batch, small_gan

GAN = small_gan()


def init_state(seed):
    return GAN.init(jax.random.key(seed), real_batch())


def test_make_sample_probe_measures_the_diversity():
    probe, state = make_sample_probe(GAN, real_batch(50), 32), init_state(0)
    params = jax.tree.map(jnp.zeros_like, state.g.params)
    constant = state.replace(g=state.g.replace(params=params))
    assert float(probe(constant, jax.random.key(1))["diversity"]) == 0
    assert 0 < float(probe(state, jax.random.key(1))["diversity"]) < 1


def test_make_sample_probe_is_one_for_samples_like_the_data():
    state, key = init_state(0), jax.random.key(1)
    z_key, _ = jax.random.split(jax.random.clone(key))
    probe = make_sample_probe(GAN, GAN.sample(state, z_key, 32), 32)
    np.testing.assert_allclose(probe(state, key)["diversity"], 1, rtol=1e-6)


def test_make_sample_probe_records_what_measure_fn_returns():
    probe = make_sample_probe(GAN, real_batch(), 5, lambda samples: {"num": len(samples)})
    values = probe(init_state(0), jax.random.key(1))
    assert values.keys() == {"diversity", "sketch", "num"}
    assert values["num"] == 5
    assert values["sketch"].shape == (16,)


def test_make_sample_probe_sketches_are_as_far_apart_as_the_samples():
    """Means over many keys: a single estimate has a relative error of about 18 %."""
    probe = make_sample_probe(GAN, real_batch(50), 32)
    states = [init_state(seed) for seed in range(2)]

    def mean_squares(key):
        z_key, _ = jax.random.split(key)
        a, b = (GAN.sample(state, jax.random.clone(z_key), 32) for state in states)
        key = jax.random.clone(key)
        c, d = (probe(state, jax.random.clone(key))["sketch"] for state in states)
        return jnp.mean((a - b) ** 2), jnp.sum((c - d) ** 2)

    true, estimated = jax.jit(jax.vmap(mean_squares))(jax.random.split(jax.random.key(5), 64))
    ratio = np.asarray(estimated / true)
    assert abs(ratio.mean() - 1) < 4 * ratio.std() / 8
    assert 0.2 < ratio.std() < 0.6


@pytest.mark.parametrize("num", [1, 64])
def test_make_sample_probe_refuses_identical_real_samples(num):
    real = np.full((num, *SHAPE), 0.1, np.float32)  # whose rounded variance is not exactly 0
    with pytest.raises(DataError, match=f"all {num} real samples are identical"):
        make_sample_probe(GAN, real)


def test_make_sample_probe_refuses_real_samples_that_are_pixels():
    real = np.random.default_rng(0).integers(0, 256, (8, *SHAPE), np.uint8)
    with pytest.raises(DtypeError, match="real is uint8, expected floating point"):
        make_sample_probe(GAN, real)


def test_total_std_sums_the_variances():
    samples = jnp.array([[0.0, 1.0], [2.0, 1.0], [4.0, 4.0]])
    np.testing.assert_allclose(total_std(samples) ** 2, 8 / 3 + 2, rtol=1e-6)
