"""TODO."""

from collections.abc import Iterable, Sequence

import numpy as np


def markdown_table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """A Markdown table."""
    return "\n".join("| " + " | ".join(row) + " |" for row in (head, ["---"] * len(head), *rows))


def format_mean_sem(values: np.ndarray, digits: int) -> str:
    """The mean of `[n]` values with so many decimal digits, and ± its standard error where there are several."""
    values = np.asarray(values, np.float64)
    mean = f"{values.mean():.{digits}f}"
    if len(values) == 1:
        return mean
    return f"{mean} ± {values.std(ddof=1) / len(values) ** 0.5:.{digits}f}"
