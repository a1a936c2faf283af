"""Runs of experiments: configuration, command line, run directory, and loading a run again."""
