"""The source of parabolas, and the experiment that trains on them."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import numpy as np
import pytest

from experiments import parabola as experiment
from jaxgan.data.parabola import POINTS, parabola_source
from jaxgan.errors import ConfigError
from jaxgan.metrics import parabola
from jaxgan.training.loop import train
from jaxgan.training.rng import make_rng_streams
from tests.helpers.programs import ROOT


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
