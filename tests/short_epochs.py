"""An experiment whose epochs go through the digits once only, so that it saves often.

`python -m tests.short_epochs NAME ARGUMENTS…`
"""

import importlib
import sys

from jaxgan import launch

if __name__ == "__main__":
    sys.argv = sys.argv[1:]
    launch.passes_of = lambda num: 1
    importlib.import_module(f"experiments.{sys.argv[0]}").main()
