"""The experiment on parabolas."""

import json

import jax
import numpy as np
import pytest
from matplotlib import image as mpimg

from experiments import parabola
from jaxgan import TrainOptions, cli, train
from jaxgan.data.parabola import parabola_source
from jaxgan.metrics.parabola import expected_w2_squared, parabola_distance
from jaxgan.plotting import figures
from jaxgan.runs import run_dir
from jaxgan.runs.loading import load_run
from jaxgan.training import make_rng_streams, read_columns


@pytest.fixture
def train_parabola(command):
    """Returns `(workdir, *options) -> (exit status, stdout, stderr)`, of 20 train steps."""

    def run(workdir, *options):
        arguments = ("--workdir", workdir, "--batch-size", 8, "--steps", 20)
        return command(parabola.main, *arguments, "--steps-per-block", 20, *options)

    return run


def test_parabola_is_drawn_and_measured(command, train_parabola, tmp_path):
    status, output, error = train_parabola(tmp_path)
    assert (status, error) == (0, "")
    record = json.loads((tmp_path / "distance.json").read_text())
    assert record["num_samples"] == 10_000
    assert record["expected_w2_squared"] == expected_w2_squared(10_000)
    assert (
        f"W2² of 10,000 samples to the data: {record['w2_squared'][0]:.4f}; "
        "expected for real samples: 0.0005."
    ) in output
    names = {path.name for path in tmp_path.iterdir()}
    written = {"parabola.gif", "distance.json", "checkpoints", "findings.json"}
    assert written < names < {*run_dir.RUN_FILES, ".lock"}
    probes = read_columns(tmp_path / "probes.jsonl")
    assert probes["step"].tolist() == [0]
    distances = {"w2_squared", "off_curve", "a_min", "a_mean", "a_max"}
    assert distances | {"diversity", "sketch"} < probes.keys()
    assert np.load(tmp_path / "samples" / "000020.npy").shape == (64, 15)
    for name in ("samples/000020.png", "progress.png", "losses.png"):
        assert mpimg.imread(tmp_path / name).std() > 0
    last = tmp_path / "samples" / "000020.png"
    assert (tmp_path / "progress.png").read_bytes() == last.read_bytes()
    for name in ("curves.npy", "curves.png"):
        options = ("--num", 3, "--out", tmp_path / name)
        assert command(cli.main, "sample", tmp_path, *options)[0] == 0
    assert np.load(tmp_path / "curves.npy").shape == (3, 15)
    options = ("--out", tmp_path / "curves.gif")
    status, _, error = command(cli.main, "sample", tmp_path, *options)
    assert status == 1
    assert "use a name ending in .png or .npy" in error


@pytest.mark.stress
def test_parabola_population_is_measured_together(command, train_parabola, tmp_path):
    status, output, _ = train_parabola(tmp_path, "--num-seeds", 3, "--preset", "tuned")
    assert status == 0
    values = np.array(json.loads((tmp_path / "distance.json").read_text())["w2_squared"])
    assert values.shape == (3,)
    mean, error = values.mean(), values.std(ddof=1) / 3**0.5
    assert f"{mean:.4f} ± {error:.4f} (mean and standard error over 3 seeds" in output
    for member in range(3):
        run = load_run(tmp_path, member=member)
        found = parabola_distance(run.sample(jax.random.key(0), 10_000)).w2_squared
        np.testing.assert_allclose(float(found), values[member], rtol=0.1)
    assert len(set(np.round(values, 3))) == 3
    status, _, error = command(cli.main, "sample", tmp_path, "--member", 3)
    assert status == 1
    assert "has members 0 to 2, not 3" in error


@pytest.mark.stress
@pytest.mark.parametrize("options", [(), ("--num-seeds", 2)])
def test_parabola_evaluates_during_training(train_parabola, tmp_path, monkeypatch, options):
    monkeypatch.setattr(parabola, "parabola_source", lambda size: parabola_source(size, 10))
    status, _, error = train_parabola(tmp_path, "--evaluate-every", 1, *options)
    assert (status, error) == (0, "")
    scores = read_columns(tmp_path / "scores.jsonl")
    assert list(scores)[:2] == ["step", "w2_squared"]
    assert scores["step"].tolist() == [10, 20]
    final = json.loads((tmp_path / "distance.json").read_text())["w2_squared"]
    np.testing.assert_allclose(scores["w2_squared"][-1], np.mean(final), rtol=1e-5)
    best = load_run(tmp_path, "best").step
    assert best == scores["step"][np.argmin(scores["w2_squared"])]


@pytest.mark.stress
def test_presets_are_recorded_and_can_be_changed(command, train_parabola, tmp_path):
    train_parabola(tmp_path, "--preset", "tuned", "--learning-rate", 0.5)
    config = json.loads((tmp_path / "config.json").read_text())["config"]
    tuned = parabola.Config.presets["tuned"] | {"preset": "tuned", "learning_rate": 0.5}
    assert {name: config[name] for name in tuned} == tuned
    status, _, error = train_parabola(tmp_path)
    assert status == 1
    assert "preset: 'tuned' in the run, 'faithful' now" in error
    status, output, error = train_parabola(tmp_path / "other", "--preset=best")
    assert status == 2
    assert "best" in output + error
    assert "tuned" in output + error
    status, output, _ = command(parabola.main, "--preset", "tuned", "--help")
    assert "(default: 10000)" in " ".join(output.split())


def test_run_that_is_not_finite_says_what_to_try(train_parabola, tmp_path):
    status, output, error = train_parabola(tmp_path, "--learning-rate", 1e30)
    assert status == 1
    assert "is not finite. Not finite are " in error
    assert "No checkpoint was saved" in error
    assert "start over (--overwrite, or another --workdir) with a lower learning rate" in error
    assert "--learning-rate" in output
    findings = json.loads((tmp_path / "findings.json").read_text())["findings"]
    assert [finding["name"] for finding in findings] == ["not finite"]


@pytest.mark.stress
def test_on_nan_skip_goes_on_for_twenty_steps(train_parabola, tmp_path):
    options = ("--learning-rate", 1e30, "--on-nonfinite", "skip", "--steps", 30)
    status, _, error = train_parabola(tmp_path, *options)
    assert status == 1
    assert "More than 20 train steps in a row were skipped" in error


@pytest.mark.stress
def test_show_window_says_that_there_is_no_display(train_parabola, tmp_path, monkeypatch):
    monkeypatch.setattr("matplotlib.pyplot.get_backend", lambda: "agg")
    status, output, error = train_parabola(tmp_path, "--show-window")
    assert (status, error) == (0, "")
    assert output.startswith("No window: there is no display")


@pytest.mark.stress
def test_show_window_shows_each_figure(train_parabola, tmp_path, monkeypatch):
    shown = []
    monkeypatch.setattr(figures, "live_window", lambda title: shown.append)
    assert train_parabola(tmp_path, "--show-window")[0] == 0
    assert [path.name for path in shown] == ["000000.png", "000020.png"]


def test_parabola_is_learned(tmp_path):
    """The tuned preset in a third of its steps.

    W2² is 2.5 if every sample is the same curve, and 0.0005 for real samples.
    """
    config = parabola.Config.from_preset(
        "tuned", seed=100, steps=3_000, decay_steps=3_000, update_order="simultaneous"
    )
    gan, source = parabola.build(config), parabola_source(config.batch_size)
    options = config.train_options(source.batches_per_epoch)
    assert isinstance(options, TrainOptions)
    state, step = train(gan, source, tmp_path, options)
    assert step == 3_000
    distance = parabola_distance(gan.sample(state, make_rng_streams(100).eval, 10_000))
    assert distance.w2_squared < 0.25
    assert distance.off_curve < 0.01
