"""Pages that compare runs."""

import re

import pytest

from jaxgan.errors import ConfigError
from jaxgan.report import write_comparison
from jaxgan.report.comparison import name_runs
from tests.helpers.run_dirs import write_run


def test_comparison_overlays_curves_and_lists_differences(tmp_path):
    first = write_run(tmp_path / "a", learning_rate=1e-3)
    second = write_run(tmp_path / "b", steps=20, learning_rate=2e-3, evaluated=False)
    third = write_run(tmp_path / "c", "points", learning_rate=1e-3)
    page = write_comparison([first, second, third], tmp_path / "out" / "page.html").read_text()
    assert "<title>3 runs: a, b, c</title>" in page
    text = re.sub(r"<[^>]*>|\s+", " ", page.partition('<script type="application')[0])
    text = " ".join(text.split())
    assert "learning_rate 0.001 0.002 0.001" in text
    assert "preset tuned" in text  # among the facts
    differences = text.partition("Settings that differ")[2].partition("Training")[0]
    assert "preset" not in differences
    assert "Fréchet distance 4.00 ± 1.00 - " not in text  # runs without scores have no column
    assert '"loss of the discriminator"' in page


def test_comparison_leaves_out_curves_beyond_the_end_of_a_run(tmp_path):
    import json

    paths = [write_run(tmp_path / name, steps=n) for name, n in (("a", 20), ("b", 40))]
    page = write_comparison(paths, tmp_path / "page.html").read_text()
    data = json.loads(re.search(r'id="data">(.*?)</script>', page, re.DOTALL)[1])
    chart = next(c for c in data["charts"] if c["name"] == "d_loss")
    short, long = (series["mean"] for series in chart["series"])
    assert [x for x, y in zip(chart["x"], short, strict=True) if y is not None] == [*range(1, 21)]
    assert [x for x, y in zip(chart["x"], long, strict=True) if y is not None] == [*range(1, 41)]


def test_charts_of_scores_and_probes_of_one_name_differ_in_their_identifiers(tmp_path):
    import json

    paths = [write_run(tmp_path / "a"), write_run(tmp_path / "b", "points")]
    for name in ("scores", "probes"):
        rows = [json.dumps({"step": step, "modes_found": 8.0}) for step in (10, 20)]
        (paths[0] / f"{name}.jsonl").write_text("\n".join(rows) + "\n")
    page = write_comparison(paths, tmp_path / "page.html").read_text()
    names = re.findall(r'id="chart-([^"]*)"', page)
    assert {"score-modes_found", "probe-modes_found"} <= set(names)
    assert len(set(names)) == len(names)


def test_name_runs_returns_the_shortest_distinct_names(tmp_path):
    paths = [tmp_path / "x" / "run", tmp_path / "y" / "run"]
    assert name_runs(paths) == ["x/run", "y/run"]
    with pytest.raises(ConfigError, match=r"run is given twice"):
        name_runs([tmp_path, *paths, paths[1]])


def test_write_comparison_refuses_a_single_run(tmp_path):
    with pytest.raises(ConfigError, match="1 runs are given, expected 2 to 8"):
        write_comparison([tmp_path], tmp_path / "page.html")
