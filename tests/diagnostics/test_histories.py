"""Healthy runs have no findings at any of their steps.

The thresholds were set on seeds 0, 1 and 2, which are the seeds of the recorded histories. A
history is recorded by `save_history(workdir, path)`. Every GAN trained here has another seed.
"""

import numpy as np
import pytest

from experiments import parabola
from jaxgan.data.parabola import A_MAX, A_MIN, parabola_source, parabolas
from tests.helpers.histories import (
    RECORDED,
    finding_names,
    load_history,
    reduce_rows,
    train_history,
    until,
)


def assert_healthy_at_all_steps(history, steps):
    for step in steps:
        assert finding_names(*until(history, step)) == [], step


@pytest.mark.parametrize("path", RECORDED, ids=lambda path: path.stem)
def test_diagnose_finds_nothing_in_recorded_healthy_runs(path):
    history = load_history(path)
    assert_healthy_at_all_steps(history, history[0]["step"])
    assert finding_names(history[0], {}) == []


def test_recorded_histories_cover_every_system():
    recorded = {path.stem.split("_")[0] for path in RECORDED}
    assert {"mlp", "bce", "clip", "penalty", "cnn", "parabola"} == recorded
    assert sum(path.stat().st_size for path in RECORDED) < 150_000


@pytest.mark.stress
def test_diagnose_finds_nothing_in_the_documented_parabola_run(tmp_path):
    config = parabola.Config()
    history = train_history(
        tmp_path,
        parabola.build(config),
        parabola_source(config.batch_size),
        parabolas(np.linspace(A_MIN, A_MAX, 256)),
        steps=3_000,
        update_order=config.update_order,
    )
    metrics, probes = history
    assert_healthy_at_all_steps(history, range(500, 3_001, 500))
    assert finding_names(reduce_rows(metrics, 100), probes) == []
    assert finding_names(metrics, {}) == []
