"""`jaxgan stability`: eigenvalues of a run's checkpoints."""

import json

import jax
import numpy as np
from PIL import Image

from experiments import parabola
from jaxgan import Callbacks, TrainOptions, cli, train
from jaxgan.cli import stability
from tests.helpers.networks import tiny_gan, tiny_source


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


def test_stability_leaves_out_checkpoints_that_cannot_be_read(tmp_path, capfd):
    gan, quiet = tiny_gan(), Callbacks(progress=None, log=lambda text: None)
    state, _ = train(gan, tiny_source(), tmp_path, TrainOptions(steps=2, keep_every=1), quiet)
    (tmp_path / "checkpoints" / "1" / "meta" / "metadata").write_bytes(b"\x00\xff")
    config = stability.Config(tmp_path)
    assert stability.load_state(config, 1, gan) is None
    assert "step 1 is left out: " in capfd.readouterr().out
    found = stability.load_state(config, 2, gan)
    jax.tree.map(np.testing.assert_array_equal, found, state)
    assert stability.list_steps(tmp_path, 1) == [2]
