"""The logs of a run."""

from jaxgan.training import metric_log


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
