"""Runs an experiment with epochs of one pass over the data, so that it saves often.

Usage: `python -m tests.helpers.short_epochs NAME ARGUMENTS…`, NAME being a module of `experiments`.
"""

import importlib
import sys

from jaxgan.runs import image_runner

if __name__ == "__main__":
    sys.argv = sys.argv[1:]
    image_runner.default_repeats = lambda num: 1
    importlib.import_module(f"experiments.{sys.argv[0]}").main()
