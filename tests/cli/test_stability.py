"""`jaxgan stability`: eigenvalues of a run's checkpoints."""

import json

import numpy as np
import pytest
from PIL import Image

from experiments import parabola
from jaxgan import cli


@pytest.mark.parametrize("update_order", ["simultaneous", "d_first"])
def test_stability_draws_the_eigenvalues_of_every_checkpoint(command, tmp_path, update_order):
    options = (
        "--workdir",
        tmp_path,
        "--steps",
        6,
        "--keep-every",
        2,
        "--update-order",
        update_order,
    )
    assert command(parabola.main, *options)[0] == 0
    arguments = ("--num-matvecs", 8, "--num", 16)
    status, output, error = command(cli.main, "stability", tmp_path, *arguments)
    assert (status, error) == (0, "")
    records = json.loads((tmp_path / "stability.json").read_text())
    assert [record["step"] for record in records] == [2, 4, 6]
    for record in records:
        assert np.isfinite(record["eigenvalues"]).all()
        assert len(record["eigenvalues"]) == len(record["residuals"]) == 8
        assert 0 <= record["rotation"] <= 1
        assert record["learning_rate"] == 1e-4
    assert Image.open(tmp_path / "stability.gif").n_frames == 3
    assert (tmp_path / "stability.png").exists()
    play = "simultaneous" if update_order == "simultaneous" else "alternating"
    assert f"Step 6 ({play} play, momentum 0.9, learning rate 0.0001)" in output


def test_stability_refuses_a_run_without_a_learning_rate(command, train_toy, tmp_path):
    train_toy(tmp_path / "run", "--steps", 2)
    status, _, error = command(cli.main, "stability", tmp_path / "run")
    assert status == 1
    assert "the run records no learning rate" in error
