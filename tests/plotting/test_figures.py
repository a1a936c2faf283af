"""Figures of samples, losses and scores."""

import subprocess
import sys

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

from jaxgan.errors import ShapeError
from jaxgan.plotting import figures, learning_curves
from tests.helpers.programs import ROOT

SCORES = (
    "frechet_distance",
    "kernel_distance",
    "classifier_score",
    "precision",
    "recall",
    "density",
    "coverage",
    "modes_found",
    "kl_divergence",
    "nearest_distance",
    "copy_rate",
    "intra_class_ssim",
)


@pytest.fixture
def drawn(monkeypatch):
    """The figures that were drawn, instead of their files."""
    saved = []
    monkeypatch.setattr(figures, "save_figure", lambda path, figure: saved.append(figure))
    return saved


def test_running_mean_is_centered_and_narrower_at_the_ends():
    np.testing.assert_allclose(learning_curves.running_mean(np.arange(5.0)), np.arange(5.0))
    values = np.random.default_rng(0).normal(size=300)
    expected = [values[max(i - 3, 0) : i + 4].mean() for i in range(300)]
    np.testing.assert_allclose(learning_curves.running_mean(values), expected)


@pytest.mark.parametrize(
    ("output", "labels"), [("probability", ("D(x)", "D(G(z))")), ("logits", ("real", "fake"))]
)
def test_save_loss_curves_labels_each_curve(tmp_path, drawn, output, labels):
    columns = {
        "d_loss": 1.0,
        "g_loss": 2.0,
        f"d_real_{output}": 0.75,
        f"d_fake_{output}": 0.25,
        "step": 1,
    }
    metrics = {name: np.full(1, value) for name, value in columns.items()}
    learning_curves.save_loss_curves(tmp_path / "x.png", metrics, "toy")
    [figure] = drawn
    assert isinstance(figure, Figure)
    values = {
        line.get_label(): line.get_ydata()[0]
        for axes in figure.axes
        for line in axes.get_lines()
        if not line.get_label().startswith("_")
    }
    assert values["discriminator"] == 1
    assert values["generator"] == 2
    assert [values[label] for label in labels] == [0.75, 0.25]
    # A single step is drawn as a point.
    assert all(line.get_marker() != "None" for line in figure.axes[0].get_lines())


@pytest.mark.parametrize("names", [SCORES, SCORES[:4], SCORES[:1]])
def test_save_score_curves_titles_are_the_keys(tmp_path, drawn, names):
    scores = {"step": np.array([0, 10])} | {name: np.array([2.0, 1.0]) for name in names}
    baseline = {name: [0.4, 0.6] for name in names} | {"not_computed": [1.0]}
    learning_curves.save_score_curves(tmp_path / "x.png", scores, baseline, "toy")
    panels = [axes for axes in drawn[0].axes if axes.get_lines()]
    assert [axes.get_title().replace(" ", "_") for axes in panels] == list(names)
    for axes in panels:
        curve, line = axes.get_lines()
        assert list(curve.get_ydata()) == [2, 1]
        assert list(line.get_ydata()) == [0.5, 0.5]
    assert not any(axes.axison for axes in drawn[0].axes if axes not in panels)


def test_save_score_bands_and_save_seed_scores_draw_the_mean_over_seeds(tmp_path, drawn):
    columns = {
        "step": np.array([[0, 10], [0, 10]]),
        "frechet_distance": np.array([[30.0, 2.0], [10.0, 4.0]]),
    }
    learning_curves.save_score_bands(
        tmp_path / "x.png", {"toy": columns}, "frechet_distance", 1.0, "toy"
    )
    learning_curves.save_seed_scores(tmp_path / "x.png", {"toy": np.array([2.0, 4.0])}, 1.0, "toy")
    bands, seeds = (figure.axes[0] for figure in drawn)
    assert bands.get_ylabel() == "frechet distance"
    assert list(bands.get_lines()[0].get_ydata()) == [20, 3]
    assert list(seeds.get_lines()[0].get_xdata()) == [2, 4]
    assert list(seeds.get_lines()[1].get_xdata()) == [3]


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_save_image_grid_draws_each_pixel_exactly(tmp_path, channels):
    batch = np.random.default_rng(0).integers(0, 256, (3, 6, 6, channels), dtype=np.uint8)
    if channels == 4:
        batch[..., 3] = 0
        batch[1, ..., 3] = 255
    figures.save_image_grid(str(tmp_path / "x.png"), batch, "toy", columns=3, zoom=2)
    with Image.open(tmp_path / "x.png") as image:
        pixels = np.asarray(image.convert("RGB"))
    second = pixels[-12::2, 16:28:2]
    np.testing.assert_array_equal(second, np.broadcast_to(batch[1, ..., :3], (6, 6, 3)))
    first = np.broadcast_to(batch[0], (6, 6, channels))[..., :3] if channels < 4 else 255
    np.testing.assert_array_equal(pixels[-12::2, :12:2], np.broadcast_to(first, (6, 6, 3)))


@pytest.mark.parametrize("shape", [(2, 6, 6), (2, 6, 6, 2), (2, 6, 6, 5)])
def test_save_image_grid_and_save_labeled_rows_refuse_other_shapes(tmp_path, shape):
    batch = np.zeros(shape, np.uint8)
    message = rf"shape \[{', '.join(map(str, shape))}\], expected \[N, H, W, C\] with C = 1"
    with pytest.raises(ShapeError, match=message):
        figures.save_image_grid(tmp_path / "x.png", batch, "toy")
    with pytest.raises(ShapeError, match=message):
        figures.save_labeled_rows(tmp_path / "x.png", [("a", batch)], "toy")


def test_figures_of_samples_are_written(tmp_path):
    curves = np.tile(np.linspace(0, 1, 15), (4, 1))
    metrics = {"d_real_probability": 0.5, "d_loss": 1.386}
    figures.save_parabola_samples(
        str(tmp_path / "a.png"), curves, metrics, {"w2_squared": 0.1}, "toy"
    )
    figures.save_parabolas(str(tmp_path / "b.png"), curves, "toy")
    figures.save_points(str(tmp_path / "c.png"), np.zeros((5, 2)), np.eye(2), 0.1, "toy")
    sizes = []
    for path in sorted(tmp_path.iterdir()):
        with Image.open(path) as image:
            sizes.append(image.size)
    assert sizes == [(900, 400), (600, 450), (420, 460)]


def test_save_image_grid_and_save_points_draw_captions_as_plain_text(tmp_path):
    caption = r"$\unknown{$ costs $5"
    figures.save_image_grid(tmp_path / "grid.png", np.zeros((2, 4, 4, 1), np.uint8), caption)
    figures.save_points(tmp_path / "points.png", np.ones((2, 2)), np.ones((1, 2)), 0.1, caption)
    assert {path.name for path in tmp_path.iterdir()} == {"grid.png", "points.png"}


def test_import_of_plotting_does_not_import_matplotlib():
    check = "import sys, jaxgan.plotting; print('matplotlib' in sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", check], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.split() == ["False"]
