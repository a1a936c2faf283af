"""The gallery: a page with the results of trained experiments."""

import pytest

from experiments import gallery, mnist_mlp, parabola


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
