"""`jaxgan report`: its options, and the pages of one run and of several."""

import pytest

from jaxgan import cli
from tests.helpers.run_dirs import write_run


def test_report_writes_the_page_of_a_run_with_an_explorer(command, train_toy, tmp_path):
    workdir = tmp_path / "run"
    assert train_toy(workdir, "--steps", 20)[0] == 0
    status, output, error = command(cli.main, "report", workdir, "--seeds", 5, 6, 7, 8)
    assert (status, error) == (0, "")
    assert output == f"Report: {workdir / 'report.html'}\n"
    page = (workdir / "report.html").read_text()
    assert 'id="explorer-pad"' in page
    assert "seeds 5, 6, 7, 8" in page
    assert "D 12,577, G 13,472" in page  # parameters


def test_report_of_a_run_that_cannot_be_loaded_has_no_explorer(command, tmp_path):
    workdir = write_run(tmp_path / "run")
    out = tmp_path / "page.html"
    status, output, _ = command(cli.main, "report", workdir, "--out", out)
    assert status == 0
    assert "The page has no latent explorer: " in output
    assert output.endswith(f"Report: {out}\n")
    assert 'id="explorer-pad"' not in out.read_text()


def test_report_compares_runs(command, tmp_path):
    runs = [write_run(tmp_path / name) for name in "abc"]
    out = tmp_path / "page.html"
    assert command(cli.main, "report", *runs, "--out", out)[:2] == (0, f"Report: {out}\n")
    assert "3 runs: a, b, c" in out.read_text()


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((), "no run is given"),
        (("a", "b"), "2 runs are given without a file to write; add --out FILE.html"),
        (("a", "--out", "page.pdf"), "out is page.pdf, expected a file name that ends in .html"),
        (("a", "--member", -1), "member is -1, expected at least 0"),
    ],
)
def test_report_refuses_invalid_options(command, arguments, message):
    status, output, error = command(cli.main, "report", *arguments)
    assert status == 2
    assert message in " ".join((output + error).replace("│", "").split())


def test_report_refuses_a_directory_without_a_run(command, tmp_path):
    status, output, error = command(cli.main, "report", tmp_path)
    assert (status, output) == (1, "")
    assert "contains no run" in error
