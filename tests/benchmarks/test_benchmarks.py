"""What can be known of the benchmarks without PyTorch: that they measure what the experiments do."""

import importlib
import io
import json

import jax
import numpy as np
import pytest

from benchmarks import jax_side, quality, scaling, scaling_report, side, versus, versus_report
from benchmarks.systems import SYSTEMS
from jaxgan.errors import ConfigError


@pytest.mark.parametrize("name", SYSTEMS)
def test_the_peer_is_fed_what_the_experiment_is(name):
    system = SYSTEMS[name]
    config = importlib.import_module(f"experiments.{system.experiment}").Config.of_preset(
        system.preset
    )
    assert (system.batch, system.noise, system.d_steps) == (
        config.batch_size,
        config.noise,
        config.d_steps,
    )
    assert system.draws == config.d_steps + (not config.share_noise)
    assert system.steps % config.block == 0


def test_a_side_trains_and_answers(monkeypatch, capsys, tmp_path):
    trainer = jax_side.Side("parabola", tmp_path)
    monkeypatch.setattr(
        "sys.stdin", io.StringIO(f"train 3\ntrain 500\nsample 4 {tmp_path / 'x.npy'}\nmemory\n")
    )
    side.serve(trainer)
    first, second, _, memory = map(json.loads, capsys.readouterr().out.splitlines())
    assert trainer.step == 503 == int(trainer.state.d.step)
    assert first["loss"] != second["loss"]
    assert min(first["seconds"], second["seconds"]) > 0
    assert memory["bytes"] > 2**20
    assert np.load(tmp_path / "x.npy").shape == (4, 15)


def test_ratios_are_of_rounds():
    figures = {"warm": [1.0], "cold": [2.0], "bytes": [2**20]}
    found = {
        "mnist_cnn": {
            "jaxgan": figures | {"steps_per_second": [8.0, 2.0, 300.0]},
            "PyTorch": figures | {"steps_per_second": [4.0, 2.0, 100.0]},
        }
    }
    lines = versus_report.speed_table(found).splitlines()
    assert lines[2] == "| mnist_cnn | jaxgan | 8 (2 to 300) |  |  | 1.0 | 2.0 | 1 |"
    assert lines[3] == "| mnist_cnn | PyTorch | 4 (2 to 100) | 2 (1 to 3) | 2 | 1.0 | 2.0 | 1 |"


def test_what_cannot_be_compared_is_refused(tmp_path):
    with pytest.raises(ConfigError, match="there is no system 'none', only mnist_cnn"):
        versus.Config(system=("none",))
    with pytest.raises(ConfigError, match="parabola has no Fréchet distance"):
        quality.quality("parabola", versus.SIDES[:2], 100.0, 10.0, tmp_path, tmp_path)


def test_a_side_trains_until_it_is_good(tmp_path):
    class Process:
        def ask(self, *words):
            if words[0] == "sample":
                np.save(words[2], np.zeros(3))
            return {"seconds": 2.0}

    distances = iter((300.0, 200.0, 100.0))
    course = quality.approach(
        Process(),
        SYSTEMS["mnist_mlp"],
        tmp_path / "x.npy",
        lambda samples: next(distances),
        150.0,
        60.0,
    )
    stride = SYSTEMS["mnist_mlp"].steps
    assert course == [[stride * i, 2.0 * i, 400.0 - 100.0 * i] for i in (1, 2, 3)]
    lines = versus_report.quality_table(
        {"mnist_mlp": {"jaxgan": course, "PyTorch": course[:1]}}, 150.0
    ).splitlines()
    assert lines[2:] == [
        f"| mnist_mlp | jaxgan | {3 * stride:,} | 6 | 100.0 |",
        f"| mnist_mlp | PyTorch | {stride:,} | not in 2 | 300.0 |",
    ]


def test_a_population_is_shared_out_as_a_run_shares_it(tmp_path):
    trainer = jax_side.Side("parabola_64", tmp_path)
    trainer.train(1)
    assert all(len(x.sharding.device_set) == 2 for x in jax.tree.leaves(trainer.state))
    assert trainer.sample(3).shape == (3, 15)


def test_a_case_is_measured():
    figures = scaling.measure(
        scaling.Case("parabola", 2, scaling.of_parabolas, 128, 2, "simultaneous"), 0.01
    )
    # Of each of two GANs: D's and G's weights, two for a product, three products a pass with gradients, 64 samples.
    weights = {"d": 15 * 128 + 128, "g": 5 * 128 + 128 * 15}
    least = 2 * 2 * 64 * (2 * 2 * weights["d"] + 2 * weights["g"])
    assert least < figures["flops_per_step"] < 4 * least
    assert all(np.isfinite(figures[name]) and figures[name] > 0 for name in scaling_report.COLUMNS)
    assert "| parabola | 2 |" in scaling_report.tables({"gans": [figures]})
