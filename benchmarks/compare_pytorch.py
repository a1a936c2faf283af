"""Compares training speed with the same systems in PyTorch, in alternating rounds (A B A B).

    python -m benchmarks.compare_pytorch

Measures train steps per second after warmup, the time from process start to the loss of the tenth
train step (with and without JAX's persistent compilation cache), and the peak memory.

Set `PYTORCH=path/of/python` if PyTorch is installed in another Python. Each framework runs in its
own process with all cores, and is idle while the other is measured.
"""

import contextlib
import dataclasses
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np

from benchmarks.compare_report import format_rates, speed_table
from benchmarks.systems import SYSTEMS
from benchmarks.worker_process import FIRST_STEPS, FRAMEWORKS, start_worker
from jaxgan._io import write_json
from jaxgan.data.image_datasets import DEFAULT_DATA_DIR, load_split
from jaxgan.errors import ConfigError
from jaxgan.runs.command_line import exit_on_error, parse_cli
from jaxgan.runs.console import print_line
from jaxgan.training.options import check_ranges


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of the comparison."""

    systems: tuple[str, ...] = tuple(SYSTEMS)
    """Systems to measure."""
    rounds: int = 5
    """Number of alternating rounds of measurements."""
    torch_compile: bool = False
    """Also measure PyTorch with networks compiled by torch.compile."""
    data_dir: Path = DEFAULT_DATA_DIR
    """Directory of the prepared data sets."""
    out: Path = Path("runs/compare_pytorch.json")
    """JSON file for the results."""

    def __post_init__(self):
        """Raises ConfigError if a value is out of range or a system is unknown."""
        check_ranges(self)
        for name in self.systems:
            if name not in SYSTEMS:
                raise ConfigError(f"unknown system {name!r}, expected one of {', '.join(SYSTEMS)}")


def main() -> None:
    """Runs the comparison with the options of the command line."""
    with exit_on_error(), tempfile.TemporaryDirectory() as scratch:
        config = parse_cli(Config)
        scratch = Path(scratch)
        if any(SYSTEMS[name].images for name in config.systems):
            np.save(scratch / "images.npy", load_split("mnist", config.data_dir).images)
        results = {"machine": describe_machine()}
        for name, value in results["machine"].items():
            print_line(f"{name}: {value}")
        results["speed"] = {}
        for name in config.systems:
            results["speed"][name] = measure_speed(name, config, scratch)
            print_line(f"{name}: {format_rates(results['speed'][name])}")
            # Written after every system, so that a later failure does not lose the results.
            write_json(config.out, results)
        print_line(speed_table(results["speed"]))


def describe_machine() -> dict[str, str]:
    """Returns the processor and the versions of Python and the frameworks."""
    versions = [f"{name} {version}" for name, version in installed_versions().items()]
    with open("/proc/cpuinfo") as lines:
        model = next(
            (line.split(":")[1].strip() for line in lines if line.startswith("model name")),
            "unknown",
        )
    return {
        "processor": f"{model}, {len(os.sched_getaffinity(0))} cores for this process",
        "versions": ", ".join([f"Python {platform.python_version()}", *versions]),
    }


def installed_versions() -> dict[str, str]:
    """Returns the versions of the frameworks, each as installed in the Python that runs it.

    Raises:
      ConfigError: If a framework is not installed.
    """
    code = "import importlib.metadata as m, sys; print(*[m.version(n) for n in sys.argv[1:]])"
    pythons = {
        ("jax", "jaxlib", "flax"): sys.executable,
        ("torch",): os.environ.get("PYTORCH", sys.executable),
    }
    versions = {}
    for names, python in pythons.items():
        done = subprocess.run(
            [python, "-c", code, *names], capture_output=True, text=True, check=False
        )
        if done.returncode:
            raise ConfigError(
                f"{' or '.join(names)} is not installed in {python}; install it, or set the "
                "environment variable PYTORCH to a Python that has PyTorch"
            )
        versions |= dict(zip(names, done.stdout.split(), strict=True))
    return versions


def frameworks_of(name: str, config: Config) -> tuple[str, ...]:
    """Returns the frameworks in which a system is measured."""
    compiled = config.torch_compile and SYSTEMS[name].supports_torch_compile
    return FRAMEWORKS if compiled else FRAMEWORKS[:2]


def measure_speed(name: str, config: Config, scratch: Path) -> dict[str, dict[str, list[float]]]:
    """Measures the speed, start time and memory of a system in each framework.

    Returns:
      `{framework: {"cold_start_seconds": [1], "warm_start_seconds": [1],
      "steps_per_second": [rounds], "peak_bytes": [1]}}`. Start times end with train step 10, and
      are measured without and with a filled compilation cache.
    """
    cache, system = scratch / f"cache-{name}", SYSTEMS[name]
    results = {framework: {} for framework in frameworks_of(name, config)}
    for framework in results:  # also fills the compilation cache
        with start_worker(framework, name, config.data_dir, scratch, cache) as process:
            process.ask("train", FIRST_STEPS)
            results[framework]["cold_start_seconds"] = [process.seconds_since_start()]
    with contextlib.ExitStack() as stack:
        processes = {}
        for framework in results:
            processes[framework] = stack.enter_context(
                start_worker(framework, name, config.data_dir, scratch, cache)
            )
            processes[framework].ask("train", FIRST_STEPS)
            results[framework]["warm_start_seconds"] = [processes[framework].seconds_since_start()]
        for process in processes.values():  # warmup
            process.ask("train", system.steps_per_round)
        rates = {framework: [] for framework in results}
        for _ in range(config.rounds):
            for framework, process in processes.items():
                seconds = process.ask("train", system.steps_per_round)["seconds"]
                num_gans = (system.num_seeds or 1) if framework == "jaxgan" else 1
                rates[framework].append(num_gans * system.steps_per_round / seconds)
        for framework, process in processes.items():
            results[framework]["steps_per_second"] = rates[framework]
            results[framework]["peak_bytes"] = [process.ask("memory")["peak_bytes"]]
    return results


if __name__ == "__main__":
    main()
