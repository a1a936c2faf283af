"""Console output: verbatim lines, and a progress bar on a terminal."""

import pytest

from jaxgan.runs import console


def test_print_line_prints_verbatim(capfd):
    text = "[bold]x[/bold] " + "long " * 40 + "[1, 2] 3.5"
    console.print_line(text)
    console.print_line("careful", stderr=True)
    assert capfd.readouterr() == (f"{text}\n", "careful\n")


@pytest.mark.parametrize("stderr", [False, True])
def test_print_line_of_other_processes_is_silent_except_for_errors(capfd, monkeypatch, stderr):
    monkeypatch.setattr(console, "is_primary_process", lambda: False)
    console.print_line("text", stderr=stderr)
    assert capfd.readouterr() == ("", "text\n" if stderr else "")


@pytest.mark.parametrize("name", ["progress_reporter", "progress_bar"])
def test_progress_of_other_processes_is_silent(capfd, monkeypatch, name):
    monkeypatch.setattr(console, "is_primary_process", lambda: False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("TERM", "xterm")
    arguments = () if name == "progress_reporter" else ("Loading",)
    with getattr(console, name)(*arguments):
        pass
    assert capfd.readouterr() == ("", "")


def test_progress_reporter_shows_a_bar_on_a_terminal(train_toy, tmp_path, monkeypatch):
    monkeypatch.setenv("FORCE_COLOR", "1")
    monkeypatch.setenv("COLUMNS", "80")
    status, output, _ = train_toy(tmp_path, "--steps", 100)
    assert status == 0
    for part in ("epoch 1/1", "━", "steps/s", "0:00:00 left", " G ", "D(x)", "D(G(z))"):
        assert part in output


def test_progress_bar_prints_only_its_start_off_a_terminal(capfd):
    with console.progress_bar("Loading") as update:
        assert capfd.readouterr().out == ""
        for done in range(3):
            update(done, 3)
    assert capfd.readouterr().out == "Loading …\n"
