"""One module for each system: `python -m experiments.NAME`."""
