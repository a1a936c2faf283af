"""Histories of runs for the diagnostics: recorded, trained, shortened."""

from pathlib import Path

import numpy as np

from jaxgan.diagnostics import diagnose, make_sample_probe
from jaxgan.training import Callbacks, TrainOptions, metric_log, train

RECORDED = sorted((Path(__file__).parents[1] / "diagnostics" / "histories").glob("*.npz"))


def read_history(workdir):
    """Returns the metrics and probes of a run."""
    return tuple(
        metric_log.read_columns(workdir / name) for name in ("metrics.jsonl", "probes.jsonl")
    )


def train_history(workdir, gan, source, real, **options):
    """Trains a GAN with a sample probe; returns the metrics and probes."""
    train(
        gan,
        source,
        workdir,
        TrainOptions(seed=11, steps_per_block=100, **options),
        Callbacks(probe=make_sample_probe(gan, real, 64), progress=None),
    )
    return read_history(workdir)


def reduce_rows(metrics, rows):
    """Returns means over windows of equal length, each with its last step.

    A window is finite if all its rows are.
    """

    def reduce_column(name, column):
        parts = column[: len(column) // rows * rows].reshape(rows, -1)
        if name == "step":
            return parts[:, -1]
        return parts.all(1) if name.endswith("finite") else parts.mean(1)

    return {name: reduce_column(name, column) for name, column in metrics.items()}


def save_history(workdir, path, rows=200):
    """Records a run: means of the metrics over windows and the probes, in float16."""
    metrics, probes = read_history(workdir)
    logs = {"history": reduce_rows(metrics, rows), "probes": probes}

    def dtype(name):
        if name.endswith("finite"):
            return bool
        return np.int32 if name == "step" else np.float16

    arrays = {
        f"{log}/{name}": column.astype(dtype(name))
        for log, columns in logs.items()
        for name, column in columns.items()
    }
    np.savez_compressed(path, **arrays)


def load_history(path):
    """Returns the metrics and probes that `save_history` recorded."""
    with np.load(path) as arrays:
        return tuple(
            {key.removeprefix(log): arrays[key] for key in arrays if key.startswith(log)}
            for log in ("history/", "probes/")
        )


def until(history, step):
    """Returns the metrics and probes up to a step."""
    return tuple(
        {name: column[columns["step"] <= step] for name, column in columns.items()}
        for columns in history
    )


def finding_names(metrics, probes):
    return [finding.name for finding in diagnose(metrics, probes)]
