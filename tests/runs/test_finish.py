"""The end of a run: the short report, and the exit status."""

import builtins

import pytest

from jaxgan.report import page
from jaxgan.runs import finish
from tests.helpers import toy_experiment
from tests.helpers.run_dirs import write_run


def test_run_ends_with_the_path_of_its_report(command, offline, tmp_path):
    options = ("--dataset", "digits", "--workdir", tmp_path / "run", "--steps", 20)
    status, output, error = command(toy_experiment.main, *options)
    assert (status, error) == (0, "")
    path = tmp_path / "run" / "report.html"
    assert output.splitlines()[-1] == f"Report: {path}"
    text = path.read_text()
    assert "toy_experiment · digits" in text
    assert 'id="explorer"' not in text


@pytest.mark.parametrize(("step", "status"), [(39, 130), (40, None)])
def test_finish_run_exits_before_the_last_step(tmp_path, capsys, step, status):
    config = toy_experiment.Config(workdir=write_run(tmp_path / "run"))
    called = []
    if status is None:
        finish.finish_run(config, step, lambda: called.append(step))
    else:
        with pytest.raises(SystemExit) as raised:
            finish.finish_run(config, step, lambda: called.append(step))
        assert raised.value.code == status
    assert called == ([40] if status is None else [])
    assert capsys.readouterr().out.splitlines()[-1].startswith("Report: ")


def test_report_run_reports_a_failure_and_does_not_raise(tmp_path, capsys):
    workdir = write_run(tmp_path / "run")
    (workdir / "probes.jsonl").write_text("broken\n")
    finish.finish_run(toy_experiment.Config(workdir=workdir), 40)
    assert "The report could not be written: DataError: " in capsys.readouterr().out
    assert not (workdir / "report.html").exists()


def test_report_run_names_the_extra_if_a_package_is_missing(tmp_path, capsys, monkeypatch):
    def refuse(name, *args, **kwargs):
        if name.startswith("bokeh"):
            raise ModuleNotFoundError("No module named 'bokeh'", name="bokeh")
        return original(name, *args, **kwargs)

    original = builtins.__import__
    page.load_bokeh_js.cache_clear()
    monkeypatch.setattr(builtins, "__import__", refuse)
    finish.report_run(toy_experiment.Config(workdir=write_run(tmp_path / "run")))
    assert "it needs the package bokeh; install it with" in capsys.readouterr().out


def test_report_run_writes_nothing_with_no_report(tmp_path, capsys):
    workdir = write_run(tmp_path / "run")
    finish.report_run(toy_experiment.Config(workdir=workdir, report=False))
    assert capsys.readouterr().out == ""
    assert not (workdir / "report.html").exists()
