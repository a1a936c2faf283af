"""The mixtures, their networks, and the experiment that trains on them."""

import json
from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest
from matplotlib import image as mpimg

from experiments import mixture as experiment
from experiments import sample
from jaxgan import models
from jaxgan.data.mixture import GRID, MIXTURES, RING, mixture_source
from jaxgan.errors import ConfigError
from jaxgan.evaluation.tables import format_mean_sem
from jaxgan.metrics.mixture import EXPECTED_HIGH_QUALITY, MixtureScores, expected_kl
from jaxgan.runs import run_dir
from jaxgan.training import metric_log

EACH = pytest.mark.parametrize("kind", MIXTURES)


def test_the_two_mixtures():
    assert (RING.means.shape, RING.sigma) == ((8, 2), 0.01)
    np.testing.assert_allclose(np.linalg.norm(RING.means, axis=1), 1)
    gaps = np.linalg.norm(RING.means - np.roll(RING.means, 1, axis=0), axis=1)
    np.testing.assert_allclose(gaps, 2 * np.sin(np.pi / 8))
    assert (GRID.means.shape, GRID.sigma) == ((25, 2), 0.05)
    assert {tuple(mean) for mean in GRID.means} == {
        (x, y) for x in (-4, -2, 0, 2, 4) for y in (-4, -2, 0, 2, 4)
    }


@EACH
def test_the_source_draws_each_mode_equally_often_with_its_sigma(kind):
    mixture, num = MIXTURES[kind], 20_000
    source = mixture_source(mixture, num, 7)
    assert (source.arrays, source.batches_per_epoch, source.order(jax.random.key(0), 0)) == (
        (),
        7,
        (),
    )
    batch = jax.jit(lambda key: source.batch((), (), key, 0))
    x, condition = batch(jax.random.key(0))
    assert condition is None
    chex.assert_shape(x, (num, 2))
    assert x.dtype == jnp.float32
    offsets = np.asarray(x, np.float64)[:, None] - mixture.means[None]
    nearest = np.argmin(np.sum(offsets**2, axis=2), axis=1)
    counts = np.bincount(nearest, minlength=len(mixture.means))
    mean = num / len(counts)
    assert np.abs(counts - mean).max() < 4.5 * mean**0.5
    noise = offsets[np.arange(num), nearest] / mixture.sigma
    np.testing.assert_allclose(np.cov(noise.T), np.eye(2), atol=0.05)
    np.testing.assert_allclose(noise.mean(0), 0, atol=0.03)
    assert not np.array_equal(x, batch(jax.random.key(1))[0])


def test_sizes_below_one_are_refused():
    with pytest.raises(ConfigError, match="batch_size is 0 and batches is 1000"):
        mixture_source(RING, 0)


def networks():
    return (
        (models.MixtureGenerator(), jnp.zeros((6, 2)), 484_802, (6, 2)),
        (models.MixtureDiscriminator(), jnp.zeros((6, 2)), 405_201, (6,)),
        (models.MixtureDiscriminator(pack=2), jnp.zeros((7, 2)), 407_201, (3,)),
        (models.MixtureDiscriminator(pack=4), jnp.zeros((1, 2)), 411_201, (0,)),
    )


@pytest.mark.parametrize(("module", "x", "count", "output"), networks())
def test_networks_are_pacgans(module, x, count, output):
    y, variables = jax.jit(partial(module.init_with_output, train=True))(jax.random.key(0), x)
    chex.assert_shape(y, output)
    params = variables["params"]
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == count
    for layer in (layer for name, layer in params.items() if name.startswith("Dense")):
        assert abs(float(layer["kernel"].std()) / 0.02 - 1) < 5 / layer["kernel"].size ** 0.5
        assert not np.any(layer.get("bias", 0))
    biased = [
        name for name, layer in params.items() if name.startswith("Dense") and "bias" in layer
    ]
    assert len(biased) == (1 if isinstance(module, models.MixtureGenerator) else 4)


def test_maxout_is_the_maximum_of_its_pieces():
    module = models.MixtureDiscriminator(width=3, pieces=2, layers=1)
    x = jnp.asarray(np.random.default_rng(0).normal(size=(5, 2)), jnp.float32)
    logits, variables = jax.jit(partial(module.init_with_output, train=True))(jax.random.key(0), x)
    first, last = (jax.tree.map(np.asarray, variables["params"][f"Dense_{i}"]) for i in range(2))
    maps = np.asarray(x) @ first["kernel"]
    expected = np.maximum(maps[:, :3], maps[:, 3:]) @ last["kernel"]
    np.testing.assert_allclose(logits, expected[:, 0], rtol=1e-5)


def test_the_samples_of_a_pack_are_judged_together():
    module = models.MixtureDiscriminator(width=8, pack=2)
    x = np.random.default_rng(0).normal(size=(4, 2)).astype(np.float32)
    _, variables = jax.jit(partial(module.init_with_output, train=True))(jax.random.key(0), x)
    logits = jax.jit(partial(module.apply, variables, train=True))
    before, after = (
        np.asarray(logits(x + shift * np.eye(4, 2, -3, np.float32))) for shift in (0, 1)
    )
    assert before[0] == after[0]
    assert before[1] != after[1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pack": 3}, "batch_size is 100, expected a multiple of pack, 3"),
        ({"pack": 2, "gamma": 1.0}, "gamma is 1.0 and pack is 2"),
        ({"gamma": -1.0}, "gamma is -1.0, expected a number from 0"),
    ],
)
def test_settings_that_contradict_each_other_are_refused(options, message):
    with pytest.raises(ConfigError, match=message):
        experiment.Config(**options)


def test_means_come_with_standard_errors():
    assert format_mean_sem(np.array([1, 2, 3, 4]), 2) == "2.50 ± 0.65"
    assert format_mean_sem(np.array([0.25]), 1) == "0.2"


def trained(command, workdir, kind, *options):
    """What the command has said and kept."""
    options = ("--kind", kind, "--workdir", workdir, "--batch-size", 8, "--steps", 2, *options)
    status, said, complained = command(experiment.main, *options)
    assert (status, complained) == (0, "")
    assert "The documented run has 4,000 steps" in said
    assert (
        {"mixture.gif", "scores.json"}
        < {path.name for path in workdir.iterdir()}
        < {*run_dir.RUN_FILES, ".lock"}
    )
    for name in ("samples/000002.png", "progress.png", "losses.png"):
        assert mpimg.imread(workdir / name).std() > 0
    kept, num = json.loads((workdir / "scores.json").read_text()), len(MIXTURES[kind].means)
    assert kept["samples"] == 200
    assert kept["ideal"] == {
        "modes": num,
        "high_quality": EXPECTED_HIGH_QUALITY,
        "divergence": expected_kl(num, 200),
    }
    assert {row["system"] for row in kept["published"]} > {"GAN", "VEEGAN", "PacGAN2"}
    assert f"{num}              98.9" in said
    return said, np.array(kept["scores"]["divergence"])


@pytest.fixture
def few(monkeypatch):
    """Fewer points are judged than PacGAN judges."""
    monkeypatch.setattr(experiment, "JUDGED", 200)


@pytest.mark.usefixtures("few")
def test_rings_are_learned_by_several_seeds(command, tmp_path):
    said, values = trained(command, tmp_path, "ring", "--seeds", 2)
    assert values.shape == (2,)
    assert f"{format_mean_sem(values, 3)}  2 seeds" in said
    probed = metric_log.read_columns(tmp_path / "probes.jsonl")
    assert {name: probed[name].shape for name in MixtureScores._fields} == dict.fromkeys(
        MixtureScores._fields, (1, 2)
    )


@pytest.mark.usefixtures("few")
def test_grids_are_learned_in_packs_and_sampled(command, tmp_path):
    said, values = trained(command, tmp_path, "grid", "--seeds", "None", "--pack", 2)
    assert values.shape == (1,)
    assert f"{values[0]:.3f}  one seed" in said
    status, _, complained = command(sample.main, tmp_path, "--out", tmp_path / "points.png")
    assert (status, complained) == (0, "")
    assert mpimg.imread(tmp_path / "points.png").std() > 0
