"""Measures our systems against the same systems in PyTorch, in turns: A B A B.

`python -m benchmarks.versus` measures train steps a second once warm, the time from the start of a process to the loss
after ten train steps (without and with JAX's persistent compilation cache), and the most memory. `--quality mnist_mlp`
trains both until samples are as good as asked. `PYTORCH=path/of/python` names the Python that has PyTorch, if it is not
this one. Each side has a process of its own and all cores, and sleeps while the other works.
"""

import contextlib
import dataclasses
import json
import os
import platform
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from rich.console import Console

from benchmarks.processes import FIRST_STEPS, SIDES, started
from benchmarks.quality import quality
from benchmarks.systems import SYSTEMS
from benchmarks.versus_report import described, quality_table, speed_table
from jaxgan._io import write_atomic
from jaxgan.data.image_datasets import DEFAULT_DATA_DIR, load_split
from jaxgan.errors import ConfigError
from jaxgan.runs.command_line import exit_on_error, parse_cli
from jaxgan.runs.config import check_ranges
from jaxgan.runs.console import print_line


@dataclasses.dataclass(frozen=True)
class Config:
    """What to measure."""

    system: tuple[str, ...] = tuple(SYSTEMS)
    """Which systems."""
    rounds: int = 5
    """Measurements of each side."""
    compiled: bool = False
    """Measure torch.compile's networks too."""
    quality: tuple[str, ...] = ()
    """Systems to train until their samples are good, in place of all other measurements."""
    frechet: float = 100.0
    """How good: the Fréchet distance of 10,000 samples."""
    limit: float = 1_200.0
    """Seconds of training after which a side is given up."""
    data_dir: Path = DEFAULT_DATA_DIR
    """Folder of the prepared data sets."""
    out: Path = Path("runs/versus.json")
    """Where the figures go."""

    def __post_init__(self):
        """Raises ConfigError at the first setting that will not do."""
        check_ranges(self)
        for name in (*self.system, *self.quality):
            if name not in SYSTEMS:
                raise ConfigError(f"there is no system {name!r}, only {', '.join(SYSTEMS)}")


def main() -> None:
    """Measures as the command line says."""
    with exit_on_error(), tempfile.TemporaryDirectory() as scratch:
        config = parse_cli(Config)
        console, folder = Console(), Path(scratch)
        if any(SYSTEMS[name].images for name in config.quality or config.system):
            np.save(folder / "images.npy", load_split("mnist", config.data_dir).images)
        found = {"machine": machine()}
        print_line(
            console, "\n".join(f"{name}: {value}" for name, value in found["machine"].items())
        )
        if config.quality:
            places = {"data_dir": config.data_dir, "scratch": folder}
            found["quality"] = {
                name: quality(
                    name, sides(name, config), aim=config.frechet, limit=config.limit, **places
                )
                for name in config.quality
            }
            table = quality_table(found["quality"], config.frechet)
        else:
            found["speed"] = {}
            for name in config.system:
                found["speed"][name] = measure(name, config, folder)
                print_line(console, f"{name}: " + ", ".join(described(found["speed"][name])))
                keep(config.out, found)  # a system that fails does not take the others along
            table = speed_table(found["speed"])
        print_line(console, table)
        keep(config.out, found)


def keep(path: Path, found: dict) -> None:
    """Writes the figures down."""
    write_atomic(path, (json.dumps(found, indent=2) + "\n").encode())


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    versions = [f"{name} {version}" for name, version in installed().items()]
    with open("/proc/cpuinfo") as lines:
        model = next(
            (line.split(":")[1].strip() for line in lines if line.startswith("model name")),
            "unknown",
        )
    return {
        "processor": f"{model}, {len(os.sched_getaffinity(0))} cores for this process",
        "versions": ", ".join([f"Python {platform.python_version()}", *versions]),
    }


def installed() -> dict[str, str]:
    """The versions of what computes, each side's as its Python has it."""
    code = "import importlib.metadata as m, sys; print(*[m.version(n) for n in sys.argv[1:]])"
    pythons = {
        ("jax", "jaxlib", "flax"): sys.executable,
        ("torch",): os.environ.get("PYTORCH", sys.executable),
    }
    found = {}
    for names, python in pythons.items():
        said = subprocess.run(
            [python, "-c", code, *names], capture_output=True, text=True, check=False
        )
        if said.returncode:
            raise ConfigError(
                f"{python} has no {' or '.join(names)}; install it, or set PYTORCH to a Python that has"
            )
        found |= dict(zip(names, said.stdout.split(), strict=True))
    return found


def sides(name: str, config: Config) -> tuple[str, ...]:
    """Those that are measured of a system."""
    return SIDES if config.compiled and SYSTEMS[name].compiles else SIDES[:2]


def measure(name: str, config: Config, scratch: Path) -> dict[str, dict[str, list[float]]]:
    """Of each side: steps a second in every round, seconds to the first steps (and without a cache), and bytes."""
    cache, found = scratch / f"cache-{name}", {side: {} for side in sides(name, config)}
    for side in found:  # fills the cache
        with started(side, name, config.data_dir, scratch, cache) as process:
            process.ask("train", FIRST_STEPS)
            found[side]["cold"] = [process.since_start()]
    with contextlib.ExitStack() as stack:
        processes = {}
        for side in found:
            processes[side] = stack.enter_context(
                started(side, name, config.data_dir, scratch, cache)
            )
            processes[side].ask("train", FIRST_STEPS)
            found[side]["warm"] = [processes[side].since_start()]
        steps, members = SYSTEMS[name].steps, {"jaxgan": SYSTEMS[name].seeds or 1}
        for process in processes.values():
            process.ask("train", steps)
        rates = {side: [] for side in found}
        for _ in range(config.rounds):
            for side, process in processes.items():
                rates[side].append(
                    members.get(side, 1) * steps / process.ask("train", steps)["seconds"]
                )
        for side, process in processes.items():
            found[side] |= {
                "steps_per_second": rates[side],
                "bytes": [process.ask("memory")["bytes"]],
            }
    return found


if __name__ == "__main__":
    main()
