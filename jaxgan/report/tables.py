"""Tables of scores in a report."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from jaxgan.evaluation.scores import SCORES
from jaxgan.evaluation.tables import format_mean_sem
from jaxgan.report.charts import MAIN_PROBES, score_label
from jaxgan.report.run_files import RunFiles
from jaxgan.report.summary import MISSING

DEFAULT_DIGITS = 4
PUBLISHED_LABELS = {"high_quality": "% within 3 sigma"}
MAX_CLASS_ROWS = 20
# The columns of evaluation.json: the parameters at the last step, and their moving average.
GENERATOR_LABELS = {"generator": "current parameters", "average": "moving average"}


class Table(NamedTuple):
    """A table of a page.

    Attributes:
      title: Its heading.
      note: A description of the numbers, shown below the heading.
      header: The cells of the first row.
      rows: The cells of the other rows.
    """

    title: str
    note: str
    header: list[str]
    rows: list[list[str]]


def score_tables(run: RunFiles) -> list[Table]:
    """Returns the tables of a run's evaluation and of the final scores of its experiment."""
    tables = []
    if len(run.scores.get("step", ())) == 1:
        tables.append(single_table(run))
    if run.evaluation is not None:
        tables += evaluation_tables(run.evaluation)
    if run.final_scores is not None:
        tables += final_tables(run.final_scores)
    return tables


def single_table(run: RunFiles) -> Table:
    """Returns the table of the scores of a run that was evaluated once during training."""
    rows = []
    for name, values in run.scores.items():
        digits, better = score_format(name)
        real = (run.real_scores or {}).get(name, [None])
        if name != "step" and values.ndim == 1:
            row = [format_values(list(values), digits), format_values(real, digits), better or "-"]
            rows.append([score_label(name), *row])
    title = f"Scores at step {run.scores['step'][0]:,}"
    note = "Scores of one draw of samples, computed during training."
    return Table(title, note, ["score", "this run", "real samples", "goal"], rows)


def evaluation_tables(evaluation: dict[str, Any]) -> list[Table]:
    """Returns the tables of evaluation.json: the scores, and those of each class if present."""
    real, generators = evaluation["real_baseline"], evaluation["generators"]
    rows = []
    for name, baseline in real.items():
        digits, better = score_format(name)
        cells = [format_mean_sem(np.array(scores[name]), digits) for scores in generators.values()]
        cells.append(format_mean_sem(np.array(baseline), digits))
        rows.append([score_label(name), *cells, better or "as real"])
    num = evaluation.get("evaluator", {}).get("num_samples")
    size = f" of {num:,} samples" if isinstance(num, int) else ""
    draws = evaluation["num_draws"]
    labels = [GENERATOR_LABELS.get(name, name) for name in map(str, generators)]
    pretrained = "network" in evaluation.get("evaluator", {})
    features = "EfficientNet-Lite0" if pretrained else "a classifier of the data set"
    tables = [
        Table(
            "Evaluation",
            f"jaxgan evaluate at step {evaluation['step']:,}; mean ± standard error of {draws} "
            f"draws{size}. Real images are held-out training images. The features are those of "
            f"{features}, so the scores are not comparable with published values.",
            ["score", *labels, "real images", "goal"],
            rows,
        )
    ]
    if "classes" in evaluation:
        tables.append(class_table(evaluation["classes"]))
    return tables


def class_table(classes: dict[str, Any]) -> Table:
    """Returns the table of the scores of each class."""
    real, draws = classes["real_baseline"], classes["draws"]
    rows = []
    for k, label in enumerate(classes["names"][:MAX_CLASS_ROWS]):
        cells = [label]
        for name, digits in (("frechet_distance", 2), ("accuracy", 4)):
            cells.append(format_values([draw[name][k] for draw in draws], digits))
            cells.append(format_values([real[name][k]], digits))
        rows.append(cells)
    header = ["class", "Fréchet distance", "of real images", "accuracy", "of real images"]
    note = (
        "Accuracy: the fraction of samples that a classifier assigns to the requested class, and "
        "the fraction of real test images that it classifies correctly."
    )
    return Table("Evaluation by class", note, header, rows)


def final_tables(content: dict[str, Any]) -> list[Table]:
    """Returns the tables of scores.json or distance.json: the scores, and published values."""
    expected = content.get("expected", {})
    if "expected_w2_squared" in content:
        expected = {"w2_squared": content["expected_w2_squared"]}
    scores = final_columns(content)
    rows = []
    for name in sorted(scores, key=lambda name: name not in MAIN_PROBES):
        values = scores[name]
        real = format_values([expected[name]], DEFAULT_DIGITS) if name in expected else MISSING
        low, high = (format_values([f(values)], DEFAULT_DIGITS) for f in (min, max))
        span = f"{low} to {high}" if len(values) > 1 else MISSING
        rows.append([score_label(name), format_values(values, DEFAULT_DIGITS), span, real])
    seeds = len(next(iter(scores.values())))
    note = f"Scores of {content['num_samples']:,} samples" + (
        f" of each of {seeds} GANs; mean ± standard error." if seeds > 1 else "."
    )
    column = "this run" if seeds == 1 else f"mean of {seeds} GANs"
    tables = [Table("Final scores", note, ["score", column, "range", "real samples"], rows)]
    if published := content.get("published"):
        names = [name for name in published[0] if name not in ("system", "source")]
        tables.append(
            Table(
                "Published values",
                "As printed in the papers, whose networks and training lengths differ.",
                ["system", *(PUBLISHED_LABELS.get(n, score_label(n)) for n in names), "source"],
                [[row[name] for name in ("system", *names, "source")] for row in published],
            )
        )
    return tables


def final_columns(content: dict[str, Any]) -> dict[str, list[float]]:
    """Returns the scores of scores.json or distance.json, `[num_seeds]` each."""
    if "scores" in content:
        return content["scores"]
    return {name: values for name, values in content.items() if isinstance(values, list)}


def score_format(name: str) -> tuple[int, str | None]:
    """Returns the number of decimal digits of a score, and `"higher"`, `"lower"` or None."""
    return (SCORES[name].digits, SCORES[name].better) if name in SCORES else (DEFAULT_DIGITS, None)


def format_values(values: Sequence[float | None], digits: int) -> str:
    """Formats the mean of values and its standard error; a dash if a value is missing."""
    if any(value is None for value in values):
        return MISSING
    return format_mean_sem(np.array(values, np.float64), digits)
