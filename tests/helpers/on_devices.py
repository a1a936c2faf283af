"""Runs an experiment on one number of CPU devices after another, all in one process, because it starts slowly.

`python -m tests.helpers.on_devices FOLDER 1,2,4 NAME ARGUMENTS…`; each run has a folder in FOLDER, named like the number.
"""

import importlib
import sys

import jax

if __name__ == "__main__":
    folder, numbers, name, *arguments = sys.argv[1:]
    numbers = [int(number) for number in numbers.split(",")]
    jax.config.update("jax_num_cpu_devices", max(numbers))
    jax.devices()  # made here, they stay; the experiments would make as many as each needs
    experiment = importlib.import_module(f"experiments.{name}")
    for number in numbers:
        sys.argv = [name, *arguments, "--devices", str(number), "--workdir", f"{folder}/{number}"]
        experiment.main()
