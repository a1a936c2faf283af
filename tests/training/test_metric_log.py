import numpy as np

from jaxgan.training import metric_log
from tests.helpers.networks import assert_same_bits


def test_read_columns_returns_what_append_rows_wrote(tmp_path):
    path = tmp_path / "metrics.jsonl"
    assert metric_log.read_columns(path) == {}
    third = float(np.float32(1) / 3)
    metric_log.append_rows(
        path, [{"step": i, "loss": third * i, "finite": True} for i in range(1, 4)]
    )
    metric_log.append_rows(path, [{"step": 4, "loss": -1.0, "finite": False}])
    columns = metric_log.read_columns(path)
    np.testing.assert_array_equal(columns["loss"], [third, 2 * third, 3 * third, -1])
    assert columns["finite"].dtype == bool


def test_truncate_after_removes_later_and_incomplete_rows(tmp_path):
    path = tmp_path / "metrics.jsonl"
    metric_log.append_rows(path, [{"step": i, "loss": i / 3} for i in range(1, 5)])
    columns = metric_log.read_columns(path)
    with path.open("a") as file:
        file.write('{"step": 5, "los')  # a process that was killed while writing
    metric_log.truncate_after(path, 3)
    expected = {name: rows[:3] for name, rows in columns.items()}
    assert_same_bits(metric_log.read_columns(path), expected)
    metric_log.truncate_after(tmp_path / "missing", 3)
