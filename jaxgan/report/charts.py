"""Charts of a run's logs, as data for the page's script, which draws them with BokehJS."""

from typing import Any

import numpy as np

from jaxgan.evaluation.scores import SCORES
from jaxgan.report.run_files import RunFiles

MAX_POINTS = 150
MIN_LOG_RATIO = 30  # of the largest distance to the smallest, for a logarithmic axis
DISTANCE_NAMES = ("w2_squared", "off_curve", "kl_divergence", "frechet_distance")
LOSS_COLUMNS = {"discriminator": "d_loss", "generator": "g_loss"}
PROBABILITY_COLUMNS = {"D(x)": "d_real_probability", "D(G(z))": "d_fake_probability"}
LOGIT_COLUMNS = {"real": "d_real_logits", "fake": "d_fake_logits"}
MAIN_PROBES = ("w2_squared", "modes_found", "high_quality", "kl_divergence", "diversity")
SCORE_LABELS = {
    "w2_squared": "W2² to the data",
    "off_curve": "part of W2² off the parabolas",
    "a_min": "smallest a",
    "a_max": "largest a",
    "a_mean": "mean a",
    "high_quality": "fraction within 3 sigma of a mode",
    "kl_divergence": "KL divergence (nats)",
}

Series = dict[str, Any]
Chart = dict[str, Any]


def training_charts(run: RunFiles) -> list[Chart]:
    """Returns the charts of the losses and of the discriminator's outputs."""
    if not run.metrics:
        return []
    has_probability = "d_real_probability" in run.metrics
    charts = [
        make_chart(
            "losses",
            "Losses",
            "loss (nats)" if has_probability else "loss",
            run.metrics["step"],
            {
                label: run.metrics[name]
                for label, name in LOSS_COLUMNS.items()
                if name in run.metrics
            },
        )
    ]
    outputs = {
        label: run.metrics[name]
        for label, name in (PROBABILITY_COLUMNS if has_probability else LOGIT_COLUMNS).items()
        if name in run.metrics
    }
    if outputs:
        title = "Outputs of the discriminator"
        unit = "probability of being real" if has_probability else "mean logit"
        chart = make_chart("outputs", title, unit, run.metrics["step"], outputs)
        if has_probability:
            chart["lines"] = [{"value": 0.5, "label": "equilibrium"}]
            chart["y_range"] = [0, 1]
        charts.append(chart)
    return charts


def score_charts(run: RunFiles) -> list[Chart]:
    """Returns a chart of each score against the train step, with the range of real samples."""
    charts = []
    if len(run.scores.get("step", ())) < 2:
        return charts  # a table shows a single evaluation
    for name, values in run.scores.items():
        if name == "step" or values.ndim != 1:
            continue
        label = score_label(name)
        chart = make_chart(f"score-{name}", label, label, run.scores["step"], {label: values})
        chart["log"] = needs_log(name, values)
        if real := (run.real_scores or {}).get(name):
            chart["band"] = {"low": min(real), "high": max(real), "label": "real samples"}
            chart["lines"] = [{"value": float(np.mean(real)), "label": "real samples"}]
        charts.append(chart)
    return charts


def probe_charts(run: RunFiles) -> list[Chart]:
    """Returns a chart of each scalar probe: the diversity, and those of the experiment.

    For a population, the line is the mean over the members, the band their range.
    """
    charts = []
    expected = (run.final_scores or {}).get("expected", {})
    for name in sorted(run.probes, key=lambda name: name not in MAIN_PROBES):
        values = run.probes[name]
        is_member_wise = run.num_seeds is not None and values.ndim == 2
        if name == "step" or not (values.ndim == 1 or is_member_wise):
            continue
        label = score_label(name)
        chart = make_chart(f"probe-{name}", label, label, run.probes["step"], {label: values})
        chart["log"] = needs_log(name, values)
        if name == "diversity":
            chart["lines"] = [{"value": 1.0, "label": "real samples"}]
        elif name in expected:
            chart["lines"] = [{"value": expected[name], "label": "real samples"}]
        charts.append(chart)
    return charts


def make_chart(
    name: str, title: str, y_label: str, steps: np.ndarray, columns: dict[str, np.ndarray]
) -> Chart:
    """Returns a chart of columns against the train step.

    Columns of more than 150 rows are divided into 150 windows: the line is the mean of each window,
    the band reaches from its minimum to its maximum. For a column `[N, members]`, these are also
    taken over the members.

    Args:
      name: Identifier of the chart, unique in the page.
      title: Shown above the chart.
      y_label: Label of the vertical axis.
      steps: `[N]`.
      columns: `{label: [N] or [N, members]}`.
    """
    series = [make_series(label, column) for label, column in columns.items()]
    return {
        "name": name,
        "title": title,
        "y_label": y_label,
        "x": [int(part[-1]) for part in split_windows(steps)],
        "series": series,
        "lines": [],
        "band": None,
        "y_range": None,
        "log": False,
        "note": describe_band(series, steps, columns),
    }


def make_series(label: str, column: np.ndarray) -> Series:
    """Returns the mean, minimum and maximum of a column in each window."""
    parts = split_windows(column.astype(np.float64))
    has_band = column.ndim == 2 or len(parts) < len(column)
    return {
        "label": label,
        "mean": [to_number(np.mean(part)) for part in parts],
        "low": [to_number(np.min(part)) for part in parts] if has_band else None,
        "high": [to_number(np.max(part)) for part in parts] if has_band else None,
    }


def split_windows(column: np.ndarray) -> list[np.ndarray]:
    """Divides the rows of a column into at most 150 windows of nearly equal length."""
    return np.array_split(column, min(len(column), MAX_POINTS))


def needs_log(name: str, values: np.ndarray) -> bool:
    """Returns whether the values of a distance are positive and differ by a large factor."""
    if name not in DISTANCE_NAMES or not values.size:
        return False
    return bool(values.min() > 0 and values.max() > MIN_LOG_RATIO * values.min())


def describe_band(series: list[Series], steps: np.ndarray, columns: dict[str, np.ndarray]) -> str:
    """Returns a description of a chart's line and band; an empty string if there is no band."""
    if not any(each["low"] for each in series):
        return ""
    members = next((c.shape[1] for c in columns.values() if c.ndim == 2), None)
    if members is not None:
        return f"line: mean of {members} GANs; band: smallest to largest"
    length = round(steps[-1] / MAX_POINTS)
    return f"line: mean over {length:,} train steps; band: smallest to largest"


def score_label(name: str) -> str:
    """Returns the label of a score or probe; `"modes_found"` becomes `"modes found"`."""
    spec = SCORES.get(name)
    return SCORE_LABELS.get(name, name.replace("_", " ") if spec is None else spec.label)


def to_number(value: float | np.floating) -> float | None:
    """Returns a number with five significant digits; None if it is not finite."""
    return float(f"{value:.5g}") if np.isfinite(value) else None
