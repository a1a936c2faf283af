"""Parts of messages about data: paths, counts with their nouns, and lists."""

import os
from collections.abc import Iterable


def display_path(path: str | os.PathLike[str]) -> str:
    """Returns a path as text that can be printed; bytes that are not UTF-8 are escaped."""
    return os.fsencode(path).decode("utf-8", "backslashreplace")


def count_noun(num: int, noun: str, plural: str | None = None) -> str:
    """Returns a count with its noun, such as "1 file" or "2,000 files"."""
    return f"{num:,} {noun if num == 1 else plural or noun + 's'}"


def list_first(texts: Iterable[str], num: int = 5, separator: str = ", ") -> str:
    """Returns the first few texts, and how many more there are."""
    texts = list(texts)
    more = [f"and {len(texts) - num:,} more"] if len(texts) > num else []
    return separator.join(texts[:num] + more)
