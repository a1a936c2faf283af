import json

import numpy as np
import pytest

from jaxgan.diagnostics import MIN_STEPS, Finding, make_monitor, monitor
from jaxgan.training import metric_log

FINDING = Finding("mode collapse", "diversity 0.1", "All samples are alike", ("more --d-steps",))
PARAGRAPH = (
    "At step {}, mode collapse: diversity 0.1. All samples are alike. To try:\n    - more --d-steps"
)
ROW = {"d_loss": 1.0, "g_loss": 0.7}


def append_steps(workdir, steps):
    metric_log.append_rows(workdir / "metrics.jsonl", [{"step": step} | ROW for step in steps])


@pytest.fixture
def findings(monkeypatch):
    """The list that the monitor's diagnoses return."""
    found = []
    monkeypatch.setattr(monitor, "diagnose", lambda metrics, probes: list(found))
    return found


def test_make_monitor_logs_new_findings_and_at_the_end_all(tmp_path, findings):
    messages = []
    update = make_monitor(tmp_path, 3_000, messages.append)
    update()
    assert messages == []
    findings.append(FINDING)
    for steps in (range(1, 11), range(11, 21)):
        append_steps(tmp_path, steps)
        update()
    assert messages == [PARAGRAPH.format(10)]
    append_steps(tmp_path, [3_000])
    update()
    assert messages[1:] == [PARAGRAPH.format("3,000")]


def test_make_monitor_logs_a_finding_again_if_it_was_gone(tmp_path, findings):
    messages = []
    update = make_monitor(tmp_path, 3_000, messages.append)
    append_steps(tmp_path, range(1, 11))
    for found in ([FINDING], [], [FINDING]):
        findings[:] = found
        update()
    assert messages == [PARAGRAPH.format(10)] * 2


def test_make_monitor_writes_findings_json(tmp_path, findings):
    update = make_monitor(str(tmp_path), 3_000, lambda text: None)
    update()
    path = tmp_path / "findings.json"
    assert json.loads(path.read_text()) == {"step": 0, "findings": []}
    findings.append(FINDING)
    append_steps(tmp_path, range(1, 11))
    update()
    entry = {
        "name": "mode collapse",
        "evidence": "diversity 0.1",
        "meaning": "All samples are alike",
        "advice": ["more --d-steps"],
    }
    assert json.loads(path.read_text()) == {"step": 10, "findings": [entry]}


@pytest.mark.parametrize(
    ("steps", "message"),
    [
        (MIN_STEPS, monitor.HEALTHY_MESSAGE),
        (MIN_STEPS - 1, "999 steps are too few to judge the curves; 1,000 are needed."),
        (1, "1 step is too few to judge the curves; 1,000 are needed."),
    ],
)
def test_make_monitor_says_at_the_end_whether_the_run_could_be_judged(tmp_path, steps, message):
    messages = []
    update = make_monitor(tmp_path, steps, messages.append)
    append_steps(tmp_path, range(1, steps))
    update()
    assert messages == []
    append_steps(tmp_path, [steps])
    update()
    assert messages == [message]


def test_make_monitor_is_silent_before_the_first_step(tmp_path):
    messages = []
    make_monitor(tmp_path, 0, messages.append)()
    assert messages == []


def test_make_monitor_reports_a_nonfinite_loss_of_a_short_run(tmp_path):
    messages = []
    update = make_monitor(tmp_path, 1, messages.append)
    metric_log.append_rows(tmp_path / "metrics.jsonl", [ROW | {"step": 1, "d_loss": np.inf}])
    update()
    assert len(messages) == 1
    assert messages[0].startswith("At step 1, not finite: step 1 is the first")


def test_merge_members_averages_scalars_and_joins_sketches():
    column = np.arange(6.0).reshape(3, 2)
    np.testing.assert_array_equal(monitor.merge_members(column), [0.5, 2.5, 4.5])
    sketches = np.random.default_rng(0).normal(size=(3, 2, 4))
    merged = monitor.merge_members(sketches)
    assert merged.shape == (3, 8)
    distances = [np.sum((sketches[1] - sketches[0])[member] ** 2) for member in range(2)]
    np.testing.assert_allclose(np.sum((merged[1] - merged[0]) ** 2), np.mean(distances))


def test_make_monitor_merges_the_probes_of_a_population(tmp_path, monkeypatch):
    seen = []
    monkeypatch.setattr(monitor, "diagnose", lambda metrics, probes: seen.append(probes) or [])
    rows = [{"step": step, "diversity": [0.5, 1.5]} for step in (0, 100)]
    metric_log.append_rows(tmp_path / "probes.jsonl", rows)
    make_monitor(tmp_path, 3_000, print, population=True)()
    np.testing.assert_array_equal(seen[0]["diversity"], [1.0, 1.0])
    np.testing.assert_array_equal(seen[0]["step"], [0, 100])
