"""Charts: windows, bands, references, and what is left out."""

import numpy as np
import pytest

from jaxgan.report import charts
from jaxgan.report.run_files import read_run_files
from tests.helpers.run_dirs import write_run


def test_make_chart_keeps_short_columns():
    values = np.array([1.0, np.nan, 3.0])
    chart = charts.make_chart("c", "C", "y", np.array([1, 2, 3]), {"a": values})
    assert chart["x"] == [1, 2, 3]
    assert chart["series"] == [{"label": "a", "mean": [1.0, None, 3.0], "low": None, "high": None}]
    assert chart["note"] == ""


def test_make_chart_reduces_long_columns_to_windows():
    steps = np.arange(1, 10 * charts.MAX_POINTS + 1)
    chart = charts.make_chart("c", "C", "y", steps, {"a": steps % 10.0})
    assert chart["x"][0] == 10
    assert chart["x"][-1] == 10 * charts.MAX_POINTS
    (series,) = chart["series"]
    assert (len(chart["x"]), set(series["mean"])) == (charts.MAX_POINTS, {4.5})
    assert (set(series["low"]), set(series["high"])) == ({0.0}, {9.0})
    assert "mean over 10 train steps" in chart["note"]


def test_make_chart_shows_the_range_over_members():
    members = np.array([[1.0, 2.0, 6.0], [2.0, 2.0, 2.0]])
    chart = charts.make_chart("c", "C", "y", np.array([0, 10]), {"a": members})
    assert chart["series"] == [
        {"label": "a", "mean": [3.0, 2.0], "low": [1.0, 2.0], "high": [6.0, 2.0]}
    ]
    assert "mean of 3 GANs" in chart["note"]


@pytest.mark.parametrize(
    ("name", "values", "log"),
    [
        ("w2_squared", [1.0, 31.0], True),
        ("w2_squared", [1.0, 29.0], False),
        ("w2_squared", [0.0, 31.0], False),
        ("diversity", [1.0, 31.0], False),
    ],
)
def test_needs_log_for_distances_of_a_wide_range(name, values, log):
    assert charts.needs_log(name, np.array(values)) is log


def test_charts_of_a_run_have_references(tmp_path):
    run = read_run_files(write_run(tmp_path / "run"))
    losses, outputs = charts.training_charts(run)
    assert [series["label"] for series in losses["series"]] == ["discriminator", "generator"]
    assert outputs["lines"] == [{"value": 0.5, "label": "equilibrium"}]
    scores = {chart["title"]: chart for chart in charts.score_charts(run)}
    assert scores["Fréchet distance"]["band"] == {
        "low": 1.0,
        "high": 1.5,
        "label": "real samples",
    }
    (diversity,) = charts.probe_charts(run)
    assert diversity["lines"] == [{"value": 1.0, "label": "real samples"}]


def test_probe_charts_show_the_members_of_a_population(tmp_path):
    run = read_run_files(write_run(tmp_path / "run", "curves", num_seeds=3))
    (diversity,) = charts.probe_charts(run)
    assert diversity["series"][0]["low"] == [0.5] * 5
    assert "mean of 3 GANs" in diversity["note"]
