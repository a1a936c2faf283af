"""Writes an HTML page that compares several runs."""

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from jaxgan._io import write_atomic
from jaxgan.errors import ConfigError
from jaxgan.plotting.sample_files import saved_files
from jaxgan.report.charts import Chart, score_label, to_number
from jaxgan.report.images import encode_bytes
from jaxgan.report.page import render
from jaxgan.report.run_files import RunFiles, read_run_files
from jaxgan.report.samples import read_samples
from jaxgan.report.summary import (
    MISSING,
    describe_findings,
    list_differences,
    list_facts,
    report_title,
)
from jaxgan.report.tables import Table, final_columns, format_values, score_format

MAX_RUNS = 8
NUM_POINTS = 400  # of a curve
NUM_SMOOTHING_WINDOWS = 50  # a curve is a running mean over 1/50 of its rows
LOSS_TITLES = {"d_loss": "loss of the discriminator", "g_loss": "loss of the generator"}
PROBABILITY_TITLES = {"d_real_probability": "D(x)", "d_fake_probability": "D(G(z))"}
LOGIT_TITLES = {"d_real_logits": "mean logit, real", "d_fake_logits": "mean logit, fake"}


def write_comparison(
    workdirs: Sequence[str | os.PathLike[str]], out: str | os.PathLike[str]
) -> Path:
    """Writes a self-contained HTML page that compares several runs.

    The page has the last samples and the facts of each run, the settings in which they differ,
    charts with a curve for each run, and tables of their scores. Needs the packages of the extra
    `report`.

    Args:
      workdirs: Directories of two to eight different runs.
      out: The file to write. A file of that name is replaced.

    Returns:
      The path of the page.

    Raises:
      ConfigError: If the number of runs is not 2 to 8, a run is given twice, or a directory
        contains no run.
      DataError: If a file of a run is corrupt.
    """
    if not 2 <= len(workdirs) <= MAX_RUNS:
        raise ConfigError(
            f"{len(workdirs)} runs are given, expected 2 to {MAX_RUNS}; name the directories of "
            "the runs to compare"
        )
    runs = [read_run_files(workdir) for workdir in workdirs]
    labels = name_runs([run.workdir for run in runs])
    has_probability = all(PROBABILITY_TITLES.keys() <= run.metrics.keys() for run in runs)
    metrics = LOSS_TITLES | (PROBABILITY_TITLES if has_probability else LOGIT_TITLES)
    charts = {
        "Training": comparison_charts(runs, labels, lambda run: run.metrics, "", metrics),
        "Scores during training": comparison_charts(runs, labels, lambda run: run.scores, "score-"),
        "Samples during training": comparison_charts(
            runs, labels, lambda run: run.probes, "probe-"
        ),
    }
    data = {"charts": [chart for group in charts.values() for chart in group]}
    facts = [list_facts(run) | {"findings": summarize_findings(run)} for run in runs]
    names = dict.fromkeys(name for column in facts for name in column)
    content = render(
        "comparison.html",
        data,
        title=f"{len(runs)} runs: {', '.join(labels)}",
        labels=labels,
        titles=[report_title(run) for run in runs],
        facts=[(name, [column.get(name, MISSING) for column in facts]) for name in names],
        differences=list_differences(runs),
        charts={name: group for name, group in charts.items() if group},
        tables=compare_scores(runs, labels),
        pictures=[last_picture(run) for run in runs],
    )
    write_atomic(out, content.encode())
    return Path(out)


def name_runs(workdirs: Sequence[Path]) -> list[str]:
    """Returns distinct names of the runs: the last parts of their paths, as few as suffice.

    Raises:
      ConfigError: If a path is given twice.
    """
    paths = [path.absolute() for path in workdirs]
    for depth in range(1, max(len(path.parts) for path in paths) + 1):
        names = ["/".join(path.parts[-depth:]) for path in paths]
        if len(set(names)) == len(names):
            return names
    twice = next(path for path in paths if paths.count(path) > 1)
    raise ConfigError(f"{twice} is given twice; name different runs")


def comparison_charts(
    runs: Sequence[RunFiles],
    labels: Sequence[str],
    columns_of: Callable[[RunFiles], dict[str, np.ndarray]],
    prefix: str,
    titles: dict[str, str] | None = None,
) -> list[Chart]:
    """Returns a chart for each column of a log, with a line for each run that has the column.

    Args:
      runs: The runs.
      labels: Their names.
      columns_of: Returns the columns of a log of a run.
      prefix: Distinguishes the identifiers of the charts from those of other logs.
      titles: The columns to show, with their titles; None for all scalar columns.
    """
    names = dict.fromkeys(name for run in runs for name in columns_of(run))
    last = max(run.step for run in runs)
    grid = np.unique(np.linspace(0, last, NUM_POINTS).astype(int))
    charts = []
    for name in titles or names:
        series = [
            {"label": label, "mean": resample(columns_of(run), name, grid, run), "low": None}
            for run, label in zip(runs, labels, strict=True)
        ]
        if name == "step" or all(v is None for each in series for v in each["mean"]):
            continue
        title = titles[name] if titles else score_label(name)
        charts.append(
            {
                "name": f"{prefix}{name}",
                "title": title,
                "y_label": title,
                "x": grid.tolist(),
                "series": series,
                "lines": [],
                "band": None,
                "y_range": None,
                "log": False,
                "note": "",
            }
        )
    return charts


def resample(
    columns: dict[str, np.ndarray], name: str, grid: np.ndarray, run: RunFiles
) -> list[float | None]:
    """Returns the running mean of a column at the train steps of `grid`, None outside of the log.

    For a population, this is the mean over the members.
    """
    column = columns.get(name)
    if column is not None and column.ndim == 2 and run.num_seeds is not None:
        column = column.mean(1)
    if column is None or column.ndim != 1:
        return [None] * len(grid)
    steps, values = columns["step"], column.astype(np.float64)
    width = max(1, len(values) // NUM_SMOOTHING_WINDOWS)
    sums = np.concatenate([[0.0], np.cumsum(values)])
    high = np.arange(1, len(values) + 1)
    low = np.maximum(high - width, 0)
    means = np.interp(grid, steps, (sums[high] - sums[low]) / (high - low))
    outside = (grid < steps[0]) | (grid > steps[-1])
    return [None if out else to_number(value) for value, out in zip(means, outside, strict=True)]


def summarize_findings(run: RunFiles) -> str:
    """Returns the names of a run's findings in one line."""
    findings, verdict = describe_findings(run)
    return ", ".join(finding["name"] for finding in findings) or verdict


def compare_scores(runs: Sequence[RunFiles], labels: Sequence[str]) -> list[Table]:
    """Returns the tables of the evaluations and of the final scores of the runs that have them."""
    named = list(zip(labels, runs, strict=True))
    tables = []
    if evaluations := {label: run.evaluation for label, run in named if run.evaluation}:
        # The moving average, if there is one, is the last generator of evaluation.json.
        columns = {label: [*e["generators"].values()][-1] for label, e in evaluations.items()}
        first, evaluation = next(iter(evaluations.items()))
        columns[f"real images ({first})"] = evaluation["real_baseline"]
        note = "Mean ± standard error over the draws of samples of jaxgan evaluate."
        tables.append(join_columns("Evaluation", note, columns))
    if finals := {label: run.final_scores for label, run in named if run.final_scores}:
        columns = {label: final_columns(content) for label, content in finals.items()}
        note = "Mean ± standard error over the GANs of each run."
        tables.append(join_columns("Final scores", note, columns))
    return tables


def join_columns(title: str, note: str, columns: dict[str, dict[str, list[float]]]) -> Table:
    """Returns a table with a column of scores for each run."""
    names = dict.fromkeys(name for column in columns.values() for name in column)
    rows = []
    for name in names:
        digits, _ = score_format(name)
        cells = [format_values(column.get(name, [None]), digits) for column in columns.values()]
        rows.append([score_label(name), *cells])
    return Table(title, note, ["score", *columns], rows)


def last_picture(run: RunFiles) -> str | None:
    """Returns the last samples of a run as a data URI, or None."""
    samples, _ = read_samples(run, max_frames=1)
    if samples is not None and samples["kind"] == "images":
        return samples["frames"][-1]
    pictures = saved_files(run.workdir / "samples", ".png")
    return encode_bytes(pictures[-1].read_bytes(), "png") if pictures else None
