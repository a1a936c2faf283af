"""`jaxgan evaluate`: its options, and the table it prints. tests/evaluation has whole runs."""

from types import SimpleNamespace

import pytest

from experiments import mixture
from jaxgan import cli
from jaxgan.cli import evaluate
from jaxgan.errors import ConfigError
from jaxgan.evaluation import SCORES


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--draws", 0), "draws is 0, expected at least 1"),
        (("--num", 0), "num is 0, expected at least 1"),
        (("--member", -1), "member is -1, expected at least 0"),
        (("--best", "--step", 3), "--best and --step 3 are both given; leave out one"),
    ],
)
def test_evaluate_refuses_invalid_options(command, tmp_path, arguments, message):
    status, output, error = command(cli.main, "evaluate", tmp_path, *arguments)
    assert status == 2
    assert message in " ".join((output + error).replace("│", "").split())


@pytest.mark.stress
def test_evaluate_refuses_runs_on_other_data(command, tmp_path):
    options = ("--workdir", tmp_path, "--batch-size", 8, "--steps", 1, "--num-seeds", "None")
    assert command(mixture.main, *options)[0] == 0
    status, _, error = command(cli.main, "evaluate", tmp_path)
    assert status == 1
    assert f"{tmp_path} is a run on ring, expected a run on the images of a data set" in error


@pytest.mark.parametrize(
    ("config", "name"),
    [
        ({}, "other data"),  # trained by jaxgan.train from code
        ({"config": {}, "data": {"name": "stacked mnist", "shape": [28, 28, 3]}}, "stacked mnist"),
    ],
)
def test_check_image_run_rejects_runs_on_data_that_are_not_a_data_set(tmp_path, config, name):
    with pytest.raises(ConfigError, match=f"is a run on {name}, expected a run on the images"):
        evaluate.check_image_run(SimpleNamespace(config=config), tmp_path)


def test_format_table_has_a_line_per_score():
    evaluator = SimpleNamespace(real_baseline={name: [1.0, 3.0] for name in SCORES})
    scores = {name: {score: [2.0] for score in SCORES} for name in ("generator", "average")}
    header, *lines = evaluate.format_table(scores, evaluator).splitlines()
    assert header.split() == ["generator", "average", "real", "images", "better"]
    assert len(lines) == len(SCORES)
    for line, spec in zip(lines, SCORES.values(), strict=True):
        assert line.startswith(spec.label)
        assert line.endswith(spec.better or "as real")
    assert "2.00" in lines[0]
    assert "2.00 ± 1.00" in lines[0]
