"""`jaxgan stability`: eigenvalues of a run's checkpoints."""

import json

import numpy as np
from PIL import Image

from experiments import parabola
from jaxgan import cli


def test_stability_draws_the_eigenvalues_of_every_checkpoint(command, tmp_path):
    options = ("--workdir", tmp_path, "--steps", 6, "--keep-every", 2, "--update-order", "d_first")
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
    with Image.open(tmp_path / "stability.gif") as animation:
        assert animation.n_frames == 3
    assert (tmp_path / "stability.png").exists()
    assert "Step 6 (alternating updates, momentum 0.9, learning rate 0.0001)" in output
