"""The experiment on mixtures of Gaussians."""

import json

import numpy as np
import pytest
from matplotlib import image as mpimg

from experiments import mixture
from jaxgan import cli
from jaxgan.data.mixture import MIXTURES
from jaxgan.errors import ConfigError
from jaxgan.evaluation.tables import format_mean_sem
from jaxgan.metrics.mixture import EXPECTED_HIGH_QUALITY, MixtureScores, expected_kl
from jaxgan.runs import run_dir
from jaxgan.runs.loading import load_run
from jaxgan.training import read_columns

NUM_MEASURED = 200  # fewer points than PacGAN's 2,500


@pytest.fixture(autouse=True)
def _few_points(monkeypatch):
    monkeypatch.setattr(mixture, "NUM_MEASURED", NUM_MEASURED)


@pytest.fixture
def train_mixture(command):
    """Returns `(workdir, *options) -> stdout`, of 2 train steps."""

    def run(workdir, *options):
        arguments = ("--workdir", workdir, "--batch-size", 8, "--steps", 2, *options)
        status, output, error = command(mixture.main, *arguments)
        assert (status, error) == (0, "")
        return output

    return run


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"pack": 3}, "batch_size is 100, expected a multiple of pack, 3"),
        ({"pack": 2, "gamma": 1.0}, "gamma is 1.0 and pack is 2"),
        ({"gamma": -1.0}, "gamma is -1.0, expected a finite number of at least 0"),
    ],
)
def test_config_refuses_options_that_contradict_each_other(options, message):
    with pytest.raises(ConfigError, match=message):
        mixture.Config(**options)


@pytest.mark.parametrize(
    ("name", "options", "num_seeds"),
    [
        ("ring", ("--num-seeds", "None"), 1),
        pytest.param("ring", ("--num-seeds", 2), 2, marks=pytest.mark.stress),
        pytest.param(*("grid", ("--num-seeds", "None", "--pack", 2), 1), marks=pytest.mark.stress),
    ],
)
def test_mixture_is_measured_beside_published_values(
    train_mixture, tmp_path, name, options, num_seeds
):
    output = train_mixture(tmp_path, "--mixture", name, *options)
    assert "The default run has 4,000 train steps" in output
    names = {path.name for path in tmp_path.iterdir()}
    assert {"mixture.gif", "scores.json"} < names < {*run_dir.RUN_FILES, ".lock"}
    for figure in ("samples/000002.png", "progress.png", "losses.png"):
        assert mpimg.imread(tmp_path / figure).std() > 0
    record = json.loads((tmp_path / "scores.json").read_text())
    num_modes = len(MIXTURES[name].means)
    assert record["num_samples"] == NUM_MEASURED
    expected = (num_modes, EXPECTED_HIGH_QUALITY, expected_kl(num_modes, NUM_MEASURED))
    assert [*record["expected"].values()] == [*expected]
    assert record["expected"].keys() == record["scores"].keys() == {*MixtureScores._fields}
    assert {row["system"] for row in record["published"]} > {"GAN", "VEEGAN", "PacGAN2"}
    assert f"{num_modes}              98.9" in output
    values = np.array(record["scores"]["kl_divergence"])
    assert values.shape == (num_seeds,)
    note = "2 seeds" if num_seeds == 2 else "one seed"
    assert f"{format_mean_sem(values, 3)}  {note}" in output


@pytest.mark.stress
def test_mixture_probes_every_member(train_mixture, tmp_path):
    train_mixture(tmp_path, "--num-seeds", 2)
    probes = read_columns(tmp_path / "probes.jsonl")
    assert {name: probes[name].shape for name in MixtureScores._fields} == dict.fromkeys(
        MixtureScores._fields, (1, 2)
    )


@pytest.mark.stress
def test_mixture_evaluates_during_training(train_mixture, tmp_path):
    train_mixture(tmp_path, "--num-seeds", 2, "--evaluate-every", 1)
    scores = read_columns(tmp_path / "scores.jsonl")
    assert list(scores)[:2] == ["step", "kl_divergence"]
    assert scores["step"].tolist() == [2]
    final = json.loads((tmp_path / "scores.json").read_text())["scores"]["kl_divergence"]
    np.testing.assert_allclose(scores["kl_divergence"][-1], np.mean(final), rtol=1e-5)
    assert load_run(tmp_path, "best").step == 2


def test_mixture_samples_are_drawn_as_points(command, train_mixture, tmp_path):
    train_mixture(tmp_path, "--num-seeds", "None")
    out = tmp_path / "points.png"
    status, _, error = command(cli.main, "sample", tmp_path, "--out", out)
    assert (status, error) == (0, "")
    assert mpimg.imread(out).std() > 0
