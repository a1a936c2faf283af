"""The parts of the benchmarks that do not need PyTorch."""

import importlib
import io
import json

import jax
import matplotlib.pyplot as plt
import numpy as np
import pytest

from benchmarks import (
    compare_pytorch,
    compare_report,
    convolutions,
    quality,
    quality_report,
    scaling,
    scaling_report,
)
from benchmarks.jax_worker import make_worker
from benchmarks.systems import SYSTEMS
from benchmarks.worker import serve_commands
from jaxgan.errors import ConfigError


@pytest.fixture(autouse=True)
def two_devices():
    """Creates the devices of the test session before an experiment changes their number."""
    assert len(jax.devices()) == 2


@pytest.mark.parametrize("module", [compare_pytorch, quality, scaling])
def test_default_options_are_valid(module):
    module.Config()


@pytest.mark.parametrize("name", SYSTEMS)
def test_systems_have_the_shapes_of_their_experiments(name):
    system = SYSTEMS[name]
    experiment = importlib.import_module(f"experiments.{system.experiment}")
    config = experiment.Config.from_preset(system.preset)
    assert (system.batch_size, system.latent_dim, system.d_steps) == (
        config.batch_size,
        config.latent_dim,
        config.d_steps,
    )
    assert system.latent_batches == config.d_steps + (not config.share_noise)
    assert system.steps_per_round % config.steps_per_block == 0


@pytest.mark.stress
def test_serve_commands_trains_samples_and_answers(monkeypatch, capsys, tmp_path):
    worker = make_worker("parabola", tmp_path)
    commands = f"train 3\ntrain 500\nsample 4 {tmp_path / 'x.npy'}\nmemory\n"
    monkeypatch.setattr("sys.stdin", io.StringIO(commands))
    serve_commands(worker)
    first, second, _, memory = map(json.loads, capsys.readouterr().out.splitlines())
    assert worker.step == 503 == int(worker.state.d.step)
    assert first["loss"] != second["loss"]
    assert min(first["seconds"], second["seconds"]) > 0
    assert memory["peak_bytes"] > 2**20
    assert np.load(tmp_path / "x.npy").shape == (4, 15)


def test_serve_commands_rejects_an_unknown_command(monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("stop\n"))
    with pytest.raises(ValueError, match="unknown command 'stop"):
        serve_commands(None)


@pytest.mark.stress
def test_jax_worker_shards_a_population_over_all_devices(tmp_path):
    worker = make_worker("parabola_64", tmp_path)
    worker.train(1)
    assert all(len(x.sharding.device_set) == 2 for x in jax.tree.leaves(worker.state))
    assert worker.sample(3).shape == (3, 15)


def test_speed_table_takes_ratios_round_by_round():
    figures = {"warm_start_seconds": [1.0], "cold_start_seconds": [2.0], "peak_bytes": [2**20]}
    results = {
        "mnist_cnn": {
            "jaxgan": figures | {"steps_per_second": [8.0, 2.0, 300.0]},
            "PyTorch": figures | {"steps_per_second": [4.0, 2.0, 100.0]},
        }
    }
    lines = compare_report.speed_table(results).splitlines()
    assert lines[2] == "| mnist_cnn | jaxgan | 8 (2 to 300) |  |  | 1.0 | 2.0 | 1 |"
    assert lines[3] == "| mnist_cnn | PyTorch | 4 (2 to 100) | 2 (1 to 3) | 2 | 1.0 | 2.0 | 1 |"


def test_config_rejects_an_unknown_system():
    with pytest.raises(ConfigError, match="unknown system 'none', expected one of mnist_cnn"):
        compare_pytorch.Config(systems=("none",))


def test_parse_run_reads_the_command_line_of_an_experiment(tmp_path):
    module, config = quality.parse_run("mnist_cnn --preset tuned --batch-size 32", tmp_path)
    assert module == "experiments.mnist_cnn"
    assert (config.batch_size, config.r1_gamma, config.data_dir) == (32, 1.0, tmp_path)


@pytest.mark.parametrize(
    ("run", "message"),
    [
        ("mnist_rnn", "there is no experiment 'mnist_rnn' in the run 'mnist_rnn'; name a module"),
        ("", "there is no experiment ''"),
        ("parabola", "experiments.parabola cannot be trained on MNIST"),
        ("compare", "experiments.compare cannot be trained on MNIST"),
    ],
)
def test_parse_run_rejects_what_cannot_be_trained_on_mnist(run, message, tmp_path):
    with pytest.raises(ConfigError, match=message):
        quality.parse_run(run, tmp_path)


def test_measure_curve_scores_at_multiples_of_the_interval():
    distances = iter((300.0, 200.0, 100.0))
    curve = quality.measure_curve(
        lambda steps: 0.4 * steps,  # 4 seconds in a call
        lambda num: np.zeros(num),
        lambda samples: next(distances),
        seconds=25.0,
        interval=10.0,
    )
    # Multiples of 4 that are at least 10, 20 and 30.
    assert curve == [[30, 12.0, 300.0], [50, 20.0, 200.0], [80, 32.0, 100.0]]


def test_seconds_to_level_interpolates_the_logarithm():
    curve = [[10, 5.0, 400.0], [20, 10.0, 100.0], [30, 15.0, 25.0]]
    assert quality_report.seconds_to_level(curve, 500.0) == 5
    assert quality_report.seconds_to_level(curve, 200.0) == pytest.approx(7.5)
    assert quality_report.seconds_to_level(curve, 50.0) == pytest.approx(12.5)
    assert quality_report.seconds_to_level(curve, 25.0) == pytest.approx(15)
    assert quality_report.seconds_to_level(curve, 24.0) == np.inf


def test_quality_writes_its_results_after_every_seed(command, tmp_path, monkeypatch):
    for name, replacement in {
        "load_split": lambda *arguments: None,
        "make_distance_fn": lambda *arguments: None,
        "make_run": lambda *arguments: (None, None),
        "measure_curve": lambda *arguments: [[10, 5.0, 400.0], [20, 10.0, 100.0]],
    }.items():
        monkeypatch.setattr(quality, name, replacement)
    written = []
    monkeypatch.setattr(quality, "print_line", lambda text: written.append(text))
    runs = ("--runs", "mnist_cnn", "mnist_mlp", "--num-seeds", 2, "--seconds", 20)
    status, _, error = command(quality.main, *runs, "--workdir", tmp_path)
    assert status == 0, error
    assert [text.split(":")[0] for text in written[:4]] == [
        f"{run}, seed {seed}" for run in ("mnist_cnn", "mnist_mlp") for seed in (0, 1)
    ]
    curves = json.loads((tmp_path / "quality.json").read_text())
    assert {run: len(seeds) for run, seeds in curves.items()} == {"mnist_cnn": 2, "mnist_mlp": 2}


def test_quality_tables_give_distances_and_times_over_seeds(tmp_path):
    curves = {
        "mnist_cnn": [[[10, 5.0, 400.0], [20, 10.0, 100.0]], [[12, 5.0, 500.0], [24, 10.0, 300.0]]],
        "mnist_cnn in PyTorch": [[[600, 170.0, 120.0]]],
    }
    lines = quality_report.markdown_tables(curves, (200.0,)).splitlines()
    assert lines[2:5] == [
        "| mnist_cnn | 2 | 11 | 5 | 450.0 ± 50.0 |",
        "| mnist_cnn | 2 | 22 | 10 | 200.0 ± 100.0 |",
        "| mnist_cnn in PyTorch | 1 | 600 | 170 | 120.0 |",
    ]
    assert lines[-2:] == [
        "| mnist_cnn | - (8 to -) |",
        "| mnist_cnn in PyTorch | 170 |",
    ]
    quality_report.save_plot(tmp_path / "x.png", curves)
    assert plt.imread(tmp_path / "x.png").std() > 0


@pytest.mark.stress
def test_measure_point_returns_all_figures():
    point = scaling.SweepPoint("parabola", 2, scaling.build_parabola, 128, 2, "simultaneous")
    figures = scaling.measure_point(point, 0.01)
    # A lower bound, for 2 GANs, 2 FLOPs per multiply-add and 64 samples: D's two passes (real and
    # fake) and G's one use every weight at least twice, forward and for its gradient.
    num_weights = {"d": 15 * 128 + 128, "g": 5 * 128 + 128 * 15}
    least = 2 * 2 * 64 * (2 * 2 * num_weights["d"] + 2 * num_weights["g"])
    assert least < figures["flops_per_step"] < 4 * least
    assert all(np.isfinite(figures[name]) and figures[name] > 0 for name in scaling_report.COLUMNS)
    assert "| parabola | 2 |" in scaling_report.markdown_tables({"gans": [figures]})


@pytest.mark.stress
def test_convolutions_compares_all_forms(monkeypatch, capsys):
    """Every form computes the same convolution."""
    cases = (
        convolutions.Case(2, 10, 16, 16, 3),
        convolutions.Case(2, 3, 2, 3, 4, stride=2),
        convolutions.Case(2, 5, 2, 3, 4, dilation=2),
    )
    monkeypatch.setattr(convolutions, "CASES", cases)
    monkeypatch.setattr(convolutions, "NUM_ROUNDS", 1)
    convolutions.main()
    rows = [line.strip("| ").split(" | ") for line in capsys.readouterr().out.splitlines()[2:]]
    names = [row[-4] for row in rows]
    assert names[:6] == ["lax", "banded", "F(2, 3)", "F(4, 3)", "F(6, 3)", "jaxgan"]
    assert names[6:] == ["lax", "patches", "jaxgan"] * 2
    assert all(float(row[-1]) < 1e-5 for row in rows)
