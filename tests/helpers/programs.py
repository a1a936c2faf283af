"""Programs as their users run them."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]


def as_used():
    """The environment without what the suite tells XLA, to compile faster."""
    return {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
