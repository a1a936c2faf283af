"""The parabolas, their exact distance, and the experiment that paints them."""

import os
import subprocess
import sys
from pathlib import Path

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import wasserstein_distance_nd

from experiments import parabola as experiment
from jaxgan.data.parabola import BASIS, POINTS, parabola_source, parabolas
from jaxgan.errors import ConfigError, ShapeError
from jaxgan.metrics import parabola
from jaxgan.training.loop import train
from jaxgan.training.rng import make_rng_streams
from tests.helpers.programs import ROOT


def real(num, seed=0):
    return np.asarray(parabolas(np.random.default_rng(seed).uniform(1, 2, num)), np.float64)


def distance(samples):
    with jax.enable_x64(True):
        return jax.tree.map(float, parabola.parabola_distance(jnp.asarray(samples, jnp.float64)))


def test_the_source_paints_what_the_artist_paints():
    source = parabola_source(4000)
    batch = jax.jit(lambda key: source.batch((), (), key, 0)[0])
    x = np.asarray(batch(jax.random.key(0)), np.float64)
    assert x.shape == (4000, 15)
    np.testing.assert_allclose(
        x[:, 7], x[:, 0] / 2 - 0.5, atol=1e-6
    )  # at x = 0: a - 1; at ±1: 2a - 1
    a = x[:, 7] + 1
    np.testing.assert_allclose(x, a[:, None] * POINTS[None] ** 2 + a[:, None] - 1, atol=1e-6)
    assert 1 <= a.min() < 1.01
    assert 1.99 < a.max() <= 2
    np.testing.assert_allclose(np.quantile(a, [0.25, 0.5, 0.75]), [1.25, 1.5, 1.75], atol=0.03)
    assert not np.array_equal(x, batch(jax.random.key(1)))


def test_sizes_below_one_are_refused():
    with pytest.raises(ConfigError, match="batch_size is 0 and batches is 500"):
        parabola_source(0)


def test_the_published_figures():
    assert abs(parabola.LENGTH_SQUARED - 30.3236151604) < 1e-10
    assert abs(parabola.expected_w2_squared(64) - 0.07897) < 5e-6
    assert abs(parabola.expected_w2_squared(10_000) - 0.000505) < 5e-7
    for a, expected in ((1.5, 2.5269679), (1.0, 10.1078717), (2.0, 10.1078717)):
        found = distance(np.full((1000, 1), a) * BASIS[None] - 1)
        np.testing.assert_allclose(found.w2_squared, expected, rtol=1e-7)
        np.testing.assert_allclose(
            [found.off_curve, found.a_min, found.a_mean, found.a_max], [0, a, a, a], atol=1e-12
        )


def test_perfect_samples_have_the_floor_on_average():
    found = [distance(real(64, seed)).w2_squared for seed in range(300)]
    error = np.std(found) / 300**0.5
    assert abs(np.mean(found) - parabola.expected_w2_squared(64)) < 4 * error
    assert error < 0.1 * parabola.expected_w2_squared(64)


def test_it_is_the_wasserstein_distance():
    """Against linear programming: W1 of points on the segment is exact there, and W2² is W1² where all move alike."""
    a = np.linspace(1, 2, 401)[:-1] + 1 / 800  # the artist's law, in 400 equal parts
    painted, moved = a[:, None] * BASIS[None] - 1, a[:, None] * BASIS[None] - 1 + 0.3 * BASIS[None]
    length = parabola.LENGTH_SQUARED**0.5
    np.testing.assert_allclose(
        wasserstein_distance_nd(painted[::10], moved[::10]), 0.3 * length, rtol=1e-6
    )
    np.testing.assert_allclose(distance(moved).w2_squared, (0.3 * length) ** 2, rtol=1e-5)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(st.integers(0, 2**31), st.floats(0.01, 2.0), st.sampled_from([2, 7, 50]))
def test_the_off_curve_part_adds_up_and_the_order_does_not_matter(seed, size, num):
    rng = np.random.default_rng(seed)
    off = rng.normal(size=(num, 15)) * size
    off -= np.outer(off @ BASIS, BASIS) / parabola.LENGTH_SQUARED
    samples = rng.uniform(0.5, 2.5, num)[:, None] * BASIS[None] - 1
    on, both = distance(samples), distance((samples + off)[rng.permutation(num)])
    np.testing.assert_allclose(
        both.w2_squared - on.w2_squared, np.mean(np.sum(off**2, 1)), rtol=1e-9
    )
    np.testing.assert_allclose(both.off_curve, np.mean(np.sum(off**2, 1)), rtol=1e-9)


def test_under_jit_and_vmap_and_in_float32():
    samples = jnp.asarray(np.stack([real(100, seed) for seed in range(3)]), jnp.float32)
    together = jax.jit(jax.vmap(parabola.parabola_distance))(samples)
    for i in range(3):
        chex.assert_trees_all_close(
            jax.tree.map(lambda x, i=i: float(x[i]), together), distance(samples[i]), atol=1e-4
        )


@pytest.mark.parametrize("shape", [(15,), (4, 14), (4, 15, 1)])
def test_other_shapes_are_refused(shape):
    with pytest.raises(ShapeError, match=r"expected \[N, 15\]"):
        parabola.parabola_distance(jnp.zeros(shape))


def test_it_is_learned(tmp_path):
    """The tuned preset, in a third of its steps; one painting over and over has 2.5, perfect samples 0.0005."""
    config = experiment.Config.from_preset("tuned", steps=3_000, decay_steps=3_000)
    gan, source = experiment.build(config), parabola_source(config.batch_size)
    options = {
        "order": config.order,
        "share_noise": config.share_noise,
        "block": 500,
        "steps": config.steps,
    }
    state, _ = train(gan, source, tmp_path, seed=100, **options)
    found = parabola.parabola_distance(gan.sample(state, make_rng_streams(100).score, 10_000))
    assert found.w2_squared < 0.25
    assert found.off_curve < 0.01


COUNT = """
import importlib, pathlib, sys
import jax
from jaxgan.runs.config import set_up_jax
set_up_jax(importlib.import_module(f"experiments.{sys.argv[1]}").Config())
jax.numpy.ones(3).sum().block_until_ready()
names = [(task / "comm").read_text() for task in pathlib.Path("/proc/self/task").iterdir()]
print(sum("XLAEigen" in name for name in names))
"""


@pytest.mark.skipif(
    not Path("/proc/self/task").exists(), reason="threads are counted where Linux names them"
)
@pytest.mark.parametrize(
    ("name", "threads"), [("parabola", 1), ("mnist_mlp", len(os.sched_getaffinity(0)))]
)
def test_it_is_computed_by_one_thread(name, threads):
    command = [sys.executable, "-c", COUNT, name]
    done = subprocess.run(
        command, capture_output=True, text=True, timeout=120, cwd=ROOT, check=True
    )
    assert int(done.stdout) == threads
