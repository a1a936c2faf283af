"""Where and how tests start programs of the repository."""

import os
from pathlib import Path

ROOT = Path(__file__).parents[2]


def as_used():
    """Returns the environment of a user's shell.

    It lacks `XLA_FLAGS`, which the tests set to compile faster.
    """
    return {name: value for name, value in os.environ.items() if name != "XLA_FLAGS"}
