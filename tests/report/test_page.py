"""The page of a run: complete, self-contained, escaped, and robust to damaged files."""

import json
import re
import shutil

import numpy as np
import pytest

from jaxgan.errors import ConfigError, DataError
from jaxgan.report import write_report
from tests.helpers.run_dirs import SHAPES, write_run

SECTIONS = re.compile(r'<section id="([\w-]+)"')


def read_data(page):
    """Returns what the script of a page reads."""
    text = re.search(r'<script type="application/json" id="data">(.*?)</script>', page, re.DOTALL)
    return json.loads(text[1])


@pytest.mark.parametrize("kind", SHAPES)
def test_page_shows_a_run_of_every_kind(tmp_path, kind):
    page = write_report(write_run(tmp_path / "run", kind)).read_text()
    assert f"<title>{kind} · tuned · " in page
    assert "40 train steps of 16 samples (2 epochs)" in page
    assert "10.0 train steps per second" in page
    assert "40 steps are too few to judge the curves" in page
    data = read_data(page)
    assert data["samples"]["steps"] == [0, 10, 20, 30, 40]
    assert data["samples"]["kind"] == {"classes": "images"}.get(kind, kind)
    assert len(data["samples"]["frames"]) == 5
    for chart in data["charts"]:
        assert f'id="chart-{chart["name"]}"' in page
    evaluated = kind in ("images", "classes")
    assert ({"scores", "nearest"} <= set(SECTIONS.findall(page))) == evaluated


def test_page_needs_no_other_file(tmp_path):
    page = write_report(write_run(tmp_path / "run")).read_text()
    head = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    assert "default-src &#39;none&#39;" in head or "default-src 'none'" in head
    sources = re.findall(r'(?:src|href)="([^"]*)"', head)
    assert sources
    assert all(source.startswith("data:") for source in sources)
    assert all('alt="' in tag for tag in re.findall(r"<img[^>]*>", head))
    assert len(page) < 2_000_000


def test_page_has_labels_of_classes(tmp_path):
    page = write_report(write_run(tmp_path / "run", "classes")).read_text()
    for name in ("zero", "one", "two"):
        assert f"<li>{name}</li>" in page


def test_short_page_leaves_out_the_nearest_images(tmp_path):
    page = write_report(write_run(tmp_path / "run"), short=True).read_text()
    assert "nearest" not in SECTIONS.findall(page)


def test_page_escapes_text_of_the_run(tmp_path):
    attack = "</script><script>alert(1)</script>"
    workdir = write_run(tmp_path / "run", "classes", preset=attack)
    config = json.loads((workdir / "config.json").read_text())
    config["data"]["class_names"][0] = attack
    (workdir / "config.json").write_text(json.dumps(config))
    page = write_report(workdir).read_text()
    assert attack not in page
    assert "alert(1)" in page


def test_page_shows_findings_with_their_advice(tmp_path):
    workdir = write_run(tmp_path / "run")
    finding = {"name": "mode collapse", "evidence": "E", "meaning": "M", "advice": ["try this"]}
    content = {"step": 40, "findings": [finding]}
    (workdir / "findings.json").write_text(json.dumps(content))
    page = write_report(workdir).read_text()
    for text in ("<h3>mode collapse</h3>", "<p>M.</p>", "<li>try this</li>"):
        assert text in page


def test_page_leaves_out_damaged_samples_and_says_so(tmp_path):
    workdir = write_run(tmp_path / "run")
    (workdir / "samples" / "000010.npy").write_bytes(b"")
    np.save(workdir / "samples" / "000020.npy", np.zeros((3, 3, 3, 1), np.uint8))
    page = write_report(workdir).read_text()
    assert read_data(page)["samples"]["steps"] == [0, 30, 40]
    assert "000010.npy is not a readable array of samples" in page
    assert "1 files of samples have another shape" in page


def test_page_of_a_run_without_logs_and_samples(tmp_path):
    workdir = write_run(tmp_path / "run", evaluated=False)
    for path in workdir.iterdir():
        if path.name != "config.json":
            shutil.rmtree(path) if path.is_dir() else path.unlink()
    page = write_report(workdir, tmp_path / "page.html").read_text()
    assert SECTIONS.findall(page) == ["settings"]
    assert "0 of 40 steps" in page


def test_page_stays_small_with_large_samples(tmp_path):
    workdir = write_run(tmp_path / "run", evaluated=False)
    noise = np.random.default_rng(0).integers(0, 256, (64, 64, 64, 3), np.uint8)
    for path in (workdir / "samples").iterdir():
        np.save(path, noise)
    path = write_report(workdir)
    assert path.stat().st_size < 5_000_000
    steps = read_data(path.read_text())["samples"]["steps"]
    assert (steps[0], steps[-1]) == (0, 40)
    assert len(steps) < 5


@pytest.mark.parametrize("name", ["metrics.jsonl", "evaluation.json", "findings.json"])
def test_write_report_names_a_damaged_file(tmp_path, name):
    workdir = write_run(tmp_path / "run")
    (workdir / name).write_text("{\n")
    with pytest.raises(DataError, match=name):
        write_report(workdir)


def test_write_report_refuses_a_directory_without_a_run(tmp_path):
    with pytest.raises(ConfigError, match="contains no run"):
        write_report(tmp_path)
