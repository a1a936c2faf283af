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
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from rich.console import Console

from benchmarks.systems import SYSTEMS
from jaxgan.data.images import DATA_DIR, load
from jaxgan.errors import ConfigError, TrainingError
from jaxgan.features import features_of
from jaxgan.history import write_whole
from jaxgan.judge import markdown
from jaxgan.metrics import frechet
from jaxgan.progress import say
from jaxgan.settings import check_numbers, command_line, ends_plainly

FIRST_STEPS = 10
SAMPLES = 10_000
SIDES = ("jaxgan", "PyTorch", "PyTorch compiled")


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
    data_dir: Path = DATA_DIR
    """Folder of the prepared data sets."""
    out: Path = Path("runs/versus.json")
    """Where the figures go."""

    def __post_init__(self):
        """Raises ConfigError at the first setting that will not do."""
        check_numbers(self)
        for name in (*self.system, *self.quality):
            if name not in SYSTEMS:
                raise ConfigError(f"there is no system {name!r}, only {', '.join(SYSTEMS)}")


class Process:
    """A side in its process."""

    def __init__(self, side: str, name: str, config: Config, scratch: Path, cache: Path):
        ours = side == "jaxgan"
        python = sys.executable if ours else os.environ.get("PYTORCH", sys.executable)
        module, folder = ("benchmarks.jax_side", config.data_dir) if ours else ("benchmarks.torch_side", scratch)
        compiled = ["compile"] if side == "PyTorch compiled" else []
        settings = {"JAX_COMPILATION_CACHE_DIR": str(cache), "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0"}
        settings |= {"TORCHINDUCTOR_CACHE_DIR": str(cache)}
        self.name, self.began = f"{name} in {side}", time.perf_counter()
        self.process = subprocess.Popen(
            [python, "-m", module, name, str(folder), *compiled],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | settings,
        )

    def ask(self, *words: object) -> dict[str, float]:
        """The answer to a command."""
        assert self.process.stdin is not None
        assert self.process.stdout is not None
        with contextlib.suppress(BrokenPipeError):
            print(*words, file=self.process.stdin, flush=True)
        answer = self.process.stdout.readline()
        if not answer:
            raise TrainingError(f"{self.name} ended with status {self.process.wait()}; its complaint is above")
        return json.loads(answer)

    def since_start(self) -> float:
        """Seconds."""
        return time.perf_counter() - self.began

    def end(self) -> None:
        """Waits until it has ended."""
        self.process.communicate()


def main() -> None:
    """Measures as the command line says."""
    with ends_plainly(), tempfile.TemporaryDirectory() as scratch:
        config = command_line(Config)
        console, folder = Console(), Path(scratch)
        if any(SYSTEMS[name].images for name in config.quality or config.system):
            np.save(folder / "images.npy", load("mnist", config.data_dir).images)
        found = {"machine": machine()}
        say(console, "\n".join(f"{name}: {value}" for name, value in found["machine"].items()))
        if config.quality:
            found["quality"] = {name: quality(name, config, folder) for name in config.quality}
            table = quality_table(found["quality"], config)
        else:
            found["speed"] = {}
            for name in config.system:
                found["speed"][name] = measure(name, config, folder)
                say(console, f"{name}: " + ", ".join(described(found["speed"][name])))
                keep(config.out, found)  # a system that fails does not take the others along
            table = speed_table(found["speed"])
        say(console, table)
        keep(config.out, found)


def keep(path: Path, found: dict) -> None:
    """Writes the figures down."""
    write_whole(path, (json.dumps(found, indent=2) + "\n").encode())


def machine() -> dict[str, str]:
    """What the figures were measured on."""
    versions = [f"{name} {version}" for name, version in installed().items()]
    with open("/proc/cpuinfo") as lines:
        model = next((line.split(":")[1].strip() for line in lines if line.startswith("model name")), "unknown")
    return {
        "processor": f"{model}, {len(os.sched_getaffinity(0))} cores for this process",
        "versions": ", ".join([f"Python {platform.python_version()}", *versions]),
    }


def installed() -> dict[str, str]:
    """The versions of what computes, each side's as its Python has it."""
    code = "import importlib.metadata as m, sys; print(*[m.version(n) for n in sys.argv[1:]])"
    pythons = {("jax", "jaxlib", "flax"): sys.executable, ("torch",): os.environ.get("PYTORCH", sys.executable)}
    found = {}
    for names, python in pythons.items():
        said = subprocess.run([python, "-c", code, *names], capture_output=True, text=True, check=False)
        if said.returncode:
            raise ConfigError(f"{python} has no {' or '.join(names)}; install it, or set PYTORCH to a Python that has")
        found |= dict(zip(names, said.stdout.split(), strict=True))
    return found


def sides(name: str, config: Config) -> tuple[str, ...]:
    """Those that are measured of a system."""
    return SIDES if config.compiled and SYSTEMS[name].compiles else SIDES[:2]


def measure(name: str, config: Config, scratch: Path) -> dict[str, dict[str, list[float]]]:
    """Of each side: steps a second in every round, seconds to the first steps (and without a cache), and bytes."""
    cache, found = scratch / f"cache-{name}", {side: {} for side in sides(name, config)}
    for side in found:  # fills the cache
        with started(side, name, config, scratch, cache) as process:
            process.ask("train", FIRST_STEPS)
            found[side]["cold"] = [process.since_start()]
    with contextlib.ExitStack() as stack:
        processes = {}
        for side in found:
            processes[side] = stack.enter_context(started(side, name, config, scratch, cache))
            processes[side].ask("train", FIRST_STEPS)
            found[side]["warm"] = [processes[side].since_start()]
        steps, members = SYSTEMS[name].steps, {"jaxgan": SYSTEMS[name].seeds or 1}
        for process in processes.values():
            process.ask("train", steps)
        rates = {side: [] for side in found}
        for _ in range(config.rounds):
            for side, process in processes.items():
                rates[side].append(members.get(side, 1) * steps / process.ask("train", steps)["seconds"])
        for side, process in processes.items():
            found[side] |= {"steps_per_second": rates[side], "bytes": [process.ask("memory")["bytes"]]}
    return found


@contextlib.contextmanager
def started(*arguments) -> Iterator[Process]:
    """A side in its process, which is over when this is."""
    process = Process(*arguments)
    try:
        yield process
    finally:
        process.end()


def described(by_side: dict[str, dict[str, list[float]]]) -> list[str]:
    """A system's steps a second, in words."""
    return [f"{side} {spread(np.array(figures['steps_per_second']))} steps/s" for side, figures in by_side.items()]


def speed_table(found: dict[str, dict[str, dict[str, list[float]]]]) -> str:
    """Markdown: a line for each system and side, medians; in brackets the smallest and the largest."""
    heads = ["system", "", "steps/s", "ratio, round by round", "target", "first steps (s)", "cold (s)", "memory (MiB)"]
    lines = []
    for name, by_side in found.items():
        ours = np.array(by_side["jaxgan"]["steps_per_second"])
        for side, figures in by_side.items():
            rates = np.array(figures["steps_per_second"])
            ratio, target = ("", "") if side == "jaxgan" else (spread(ours / rates), f"{SYSTEMS[name].target:g}")
            times = [f"{figures[column][0]:.1f}" for column in ("warm", "cold")]
            lines.append([name, side, spread(rates), ratio, target, *times, f"{figures['bytes'][0] / 2**20:,.0f}"])
    return markdown(heads, lines)


def spread(values: np.ndarray) -> str:
    """The median, and the smallest and the largest in brackets, in three digits or more."""
    figures = np.median(values), np.min(values), np.max(values)
    median, low, high = (f"{x:,.0f}" if x >= 100 else f"{x:.3g}" for x in figures)
    return f"{median} ({low} to {high})"


def quality(name: str, config: Config, scratch: Path) -> dict[str, list[list[float]]]:
    """Of each side: [train steps, seconds of training, Fréchet distance] as it went, until good or out of time."""
    if not SYSTEMS[name].images:
        raise ConfigError(f"{name} has no Fréchet distance; give a system that learns images")
    features = features_of("mnist", config.data_dir)
    real = frechet.moments(features.outputs(load("mnist", config.data_dir).images).features)

    def distance(samples):
        return float(frechet.distance(real, frechet.moments(features.outputs(samples).features)))

    return {side: approach(side, name, config, scratch, distance) for side in sides(name, config)}


def approach(
    side: str, name: str, config: Config, scratch: Path, distance_of: Callable[[np.ndarray], float]
) -> list[list[float]]:
    """[train steps, seconds of training, Fréchet distance] of a side, every 6,000 images or round's steps."""
    system, path, found = SYSTEMS[name], scratch / "samples.npy", []
    stride = max(system.steps, 6_000 // (system.batch * system.d_steps))
    step, seconds, distance = 0, 0.0, float("inf")
    with started(side, name, config, scratch, scratch / f"cache-{name}") as process:
        process.ask("train", FIRST_STEPS)  # compiled before the clock starts
        while distance > config.frechet and seconds < config.limit:
            seconds += process.ask("train", stride)["seconds"]
            step += stride
            process.ask("sample", SAMPLES, path)
            distance = distance_of(np.load(path))
            found.append([step, seconds, distance])
    return found


def quality_table(found: dict[str, dict[str, list[list[float]]]], config: Config) -> str:
    """Markdown: how long each side took."""
    lines = []
    for name, by_side in found.items():
        for side, course in by_side.items():
            step, seconds, distance = course[-1]
            reached = f"{seconds:,.0f}" if distance <= config.frechet else f"not in {seconds:,.0f}"
            lines.append([name, side, f"{int(step):,}", reached, f"{distance:.1f}"])
    return markdown(["system", "", "train steps", f"seconds to {config.frechet:g}", "Fréchet distance"], lines)


if __name__ == "__main__":
    main()
