"""An experiment whose epochs go through the digits once only, so that it saves often.

`python -m tests.helpers.short_epochs NAME ARGUMENTS…`
"""

import importlib
import sys

from jaxgan.runs import image_runner

if __name__ == "__main__":
    sys.argv = sys.argv[1:]
    image_runner.default_repeats = lambda num: 1
    importlib.import_module(f"experiments.{sys.argv[0]}").main()
