"""Formatting of scores: means with standard errors, Markdown tables."""

from collections.abc import Iterable, Sequence

import numpy as np


def markdown_table(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Returns a Markdown table with the given header and rows of cells, without a final newline."""
    lines = (header, ["---"] * len(header), *rows)
    return "\n".join("| " + " | ".join(cells) + " |" for cells in lines)


def format_mean_sem(values: np.ndarray, digits: int) -> str:
    """Formats a mean and its standard error, such as `7.52 ± 0.41`.

    Args:
      values: `[N]`, N at least 1. With a single value, the standard error is omitted.
      digits: Number of decimal digits of both numbers.
    """
    values = np.asarray(values, np.float64)
    mean = f"{values.mean():.{digits}f}"
    if len(values) == 1:
        return mean
    return f"{mean} ± {values.std(ddof=1) / len(values) ** 0.5:.{digits}f}"


def text_table(rows: Sequence[Sequence[str]]) -> str:
    """Returns rows of cells as aligned columns of text."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in rows
    )
