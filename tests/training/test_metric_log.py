import numpy as np
import pytest

from jaxgan.errors import DataError
from jaxgan.training import metric_log
from tests.helpers.networks import assert_same_bits


def test_read_columns_returns_what_append_rows_wrote(tmp_path):
    path = tmp_path / "metrics.jsonl"
    assert metric_log.read_columns(path) == {}
    third = float(np.float32(1) / 3)
    metric_log.append_rows(
        path, [{"step": i, "loss": third * i, "finite": True} for i in range(1, 4)]
    )
    metric_log.append_rows(str(path), [{"step": 4, "loss": -1.0, "finite": False}])
    columns = metric_log.read_columns(str(path))
    np.testing.assert_array_equal(columns["loss"], [third, 2 * third, 3 * third, -1])
    assert columns["finite"].dtype == bool


def test_read_columns_keeps_numbers_that_are_not_finite(tmp_path):
    path = tmp_path / "metrics.jsonl"
    values = [float("nan"), float("inf"), -float("inf")]
    metric_log.append_rows(path, [{"step": i, "loss": x} for i, x in enumerate(values)])
    np.testing.assert_array_equal(metric_log.read_columns(path)["loss"], values)


def test_read_columns_leaves_out_an_incomplete_last_row(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1, "loss": 1.0}\n{"step": 2, "lo')
    assert metric_log.read_columns(path)["step"].tolist() == [1]


def test_read_columns_thins_out_a_long_log(tmp_path):
    path = tmp_path / "metrics.jsonl"
    metric_log.append_rows(path, [{"step": i} for i in range(101)])
    assert metric_log.read_columns(path, max_rows=5)["step"].tolist() == [0, 25, 50, 75, 100]
    assert len(metric_log.read_columns(path, max_rows=101)["step"]) == 101


@pytest.mark.parametrize("line", ['{"step": 2, "lo', "[2]", '{"loss": 1.0}', '{"step": "2"}', ""])
def test_read_columns_refuses_a_damaged_row(tmp_path, line):
    path = tmp_path / "metrics.jsonl"
    path.write_text(f'{{"step": 1, "loss": 1.0}}\n{line}\n')
    with pytest.raises(DataError, match="is corrupt at the line"):
        metric_log.read_columns(path)


def test_read_columns_refuses_rows_with_different_keys(tmp_path):
    path = tmp_path / "metrics.jsonl"
    metric_log.append_rows(path, [{"step": 1, "loss": 1.0}, {"step": 2, "score": 1.0}])
    message = "different keys: only some have loss, score, from step 2 on. Either the run was cont"
    with pytest.raises(DataError, match=message):
        metric_log.read_columns(path)


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
    assert not (tmp_path / "missing").exists()


def test_tail_reads_new_rows_and_starts_again_after_a_truncation(tmp_path):
    path = tmp_path / "metrics.jsonl"
    read_new = metric_log.tail(path)
    assert read_new() == {}
    metric_log.append_rows(path, [{"step": step, "d_loss": 1.0} for step in (1, 2, 3)])
    assert read_new()["step"].tolist() == [1, 2, 3]
    metric_log.append_rows(path, [{"step": 4, "d_loss": 1.0}])
    assert read_new()["step"].tolist() == [1, 2, 3, 4]
    metric_log.truncate_after(path, 2)
    assert read_new()["step"].tolist() == [1, 2]


def test_tail_returns_each_row_once_after_a_row_that_was_damaged(tmp_path):
    path = tmp_path / "metrics.jsonl"
    path.write_text('{"step": 1}\n{"step": 2}\n{"st')
    read_new = metric_log.tail(path)
    with pytest.raises(DataError, match="is corrupt at the line"):
        read_new()
    path.write_text('{"step": 1}\n{"step": 2}\n{"step": 3}\n')
    assert read_new()["step"].tolist() == [1, 2, 3]
