"""Runs an experiment on several numbers of CPU devices, one after the other.

Usage: `python -m tests.helpers.on_devices FOLDER 1,2,4 NAME ARGUMENTS…`, NAME being a module of
`experiments`. The workdir of each run is `FOLDER/NUMBER`. All runs share one process because a
process takes long to start.
"""

import importlib
import sys

import jax

if __name__ == "__main__":
    folder, counts, name, *arguments = sys.argv[1:]
    counts = [int(count) for count in counts.split(",")]
    # JAX creates its devices once. Created here, there are enough of them for every run.
    jax.config.update("jax_num_cpu_devices", max(counts))
    jax.devices()
    experiment = importlib.import_module(f"experiments.{name}")
    for count in counts:
        sys.argv = [name, *arguments, "--num-devices", str(count), "--workdir", f"{folder}/{count}"]
        experiment.main()
