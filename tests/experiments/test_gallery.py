"""The gallery: a page with the results of trained experiments."""

import json

import pytest

from experiments import gallery, mnist_mlp, parabola


@pytest.mark.stress
@pytest.mark.usefixtures("offline")
def test_gallery_collects_the_results_of_existing_runs(command, tmp_path):
    folder, out = tmp_path / "runs", tmp_path / "out"
    options = ("--dataset", "digits", "--steps", 2, "--workdir", folder / "mnist_mlp")
    command(mnist_mlp.main, *options)
    options = ("--batch-size", 8, "--steps", 20, "--steps-per-block", 20)
    command(parabola.main, "--workdir", folder / "parabola", *options)
    status, _, error = command(gallery.main, "--workdir", folder, "--out", out, "--no-train")
    assert status == 0, error
    page = (out / "README.md").read_text()
    rows = [line.split(" | ") for line in page.splitlines() if line.startswith("| `")]
    assert [(row[0], row[1], row[2]) for row in rows] == [
        ("| `mnist_mlp`", "digits", "2"),
        ("| `parabola`", "parabola", "20"),
    ]
    assert "W2² " in rows[1][-1]
    figures = {path.name for path in out.glob("*.png")}
    assert figures == {
        f"{name}{kind}.png" for name in ("mnist_mlp", "parabola") for kind in ("", "_losses")
    }
    assert all(f"({name})" in page for name in figures)


def test_gallery_shows_figures_of_other_commands_that_exist(tmp_path):
    (tmp_path / "few_images.png").touch()
    page = gallery.make_page(gallery.Config(workdir=tmp_path / "runs", out=tmp_path))
    assert "## few_images" in page
    assert "mixture_ring" not in page


def test_gallery_lists_modes_and_kl_divergence_of_runs_that_count_modes(tmp_path):
    scores = {"kl_divergence": [0.02, 0.04], "modes_found": [999, 1000]}
    (tmp_path / "scores.json").write_text(json.dumps({"scores": scores}))
    assert gallery.format_other_metrics(tmp_path, {}) == "1000 ± 0 modes, KL 0.030 ± 0.010"
