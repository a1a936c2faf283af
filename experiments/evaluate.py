"""Scores a generator, beside what perfect samples would get.

Draws samples several times over, compares each draw with the training images through a classifier that is trained on
them once, and prints the mean of every score and its standard error; the folder keeps them in evaluation.json. Perfect
samples are training images, held out from those they are compared with. Scores are comparable among runs on one data
set that were judged with the same classifier and number of samples, not with figures from other networks.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from rich.console import Console

from jaxgan._io import write_atomic
from jaxgan.data.image_datasets import DEFAULT_DATA_DIR, load_split
from jaxgan.data.sources import to_pixels
from jaxgan.errors import ConfigError
from jaxgan.evaluation.evaluator import SCORES, Evaluator
from jaxgan.evaluation.tables import format_mean_sem
from jaxgan.plotting import figures
from jaxgan.runs import loading
from jaxgan.runs.command_line import Positional, exit_on_error, parse_cli
from jaxgan.runs.config import check_ranges
from jaxgan.runs.console import print_line
from jaxgan.runs.image_runner import load_evaluator

SHOWN = 32


@dataclasses.dataclass(frozen=True)
class Config:
    """What to judge, and how."""

    workdir: Positional[Path]
    """Folder of the run."""
    num: int | None = None
    """Samples a draw. Unset: 10,000, or half of a small data set."""
    draws: int = 3
    """How often to draw as many."""
    step: int | None = None
    """Train step of one of the checkpoints that the run has kept. Unset: the newest."""
    member: int = 0
    """Of a run with --seeds: which of its generators, from 0."""
    best: bool = False
    """The checkpoint with the best scores of the run's own, instead of the newest; see --evaluate-every."""
    seed: int = 0
    """Decides the noise."""
    nearest: bool = False
    """Also draw nearest.png: samples, and below each the training image that the classifier sees as most like it."""
    data_dir: Path = DEFAULT_DATA_DIR
    """Folder of the prepared data sets."""

    def __post_init__(self):
        """Raises ConfigError where the settings will not do."""
        check_ranges(self)
        if self.best and self.step is not None:
            raise ConfigError(f"best and step {self.step} are both given; give one")


def main() -> None:
    """Judges as the command line says."""
    with exit_on_error():
        config = parse_cli(Config)
        run = loading.load_run(
            config.workdir, "best" if config.best else config.step, config.member
        )
        if len(run.record["data"]["shape"]) != 3:
            raise ConfigError(
                f"{config.workdir} is a run on {run.record['data']['name']}, which are no images"
            )
        judge = load_evaluator(
            load_split(run.record["data"]["name"], config.data_dir), config.data_dir, config.num
        )
        found = {
            name: scores(run, judge, variables, config)
            for name, variables in generators(run).items()
        }
        kept = {"step": run.step, "member": config.member, "samples": judge.num}
        kept |= {"perfect": judge.real_baseline, "generators": found}
        write_atomic(
            config.workdir / "evaluation.json", (json.dumps(kept, indent=2) + "\n").encode()
        )
        named = title(run, config)
        draws = f"mean ± standard error of {config.draws} draws of {judge.num:,} samples"
        print_line(Console(), f"{named} · {draws}\n{table(found, judge)}")
        if config.nearest:
            draw_nearest(run, judge, config)


def title(run: loading.Run, config: Config) -> str:
    """What is judged."""
    which = "" if run.record["config"].get("seeds") is None else f" · member {config.member}"
    return f"{loading.run_title(run.record)}{which} · step {run.step:,}"


def generators(run: loading.Run) -> dict[str, Any]:
    """The variables of the generator as it is, and of its moving average where there is one."""
    average = {} if run.state.g_ema is None else {"average": run.state.g_ema}
    return {"generator": run.state.g.variables} | average


def scores(
    run: loading.Run, judge: Evaluator, variables: Any, config: Config
) -> dict[str, list[float]]:
    """Every score, `[draws]`."""
    keys = jax.random.split(jax.random.key(config.seed), config.draws)
    found = [judge.scores(samples(run, variables, key, judge.num)) for key in keys]
    return {name: [values[name] for values in found] for name in SCORES}


def samples(run: loading.Run, variables: Any, key: jax.Array, num: int) -> jax.Array:
    """float32 `[num, H, W, C]`, made in portions that fit into memory."""
    z = run.gan.prior(key, num)
    return jnp.concatenate(
        [run.gan.generate(variables, z[i : i + 1000]) for i in range(0, num, 1000)]
    )


def table(found: dict[str, dict[str, list[float]]], judge: Evaluator) -> str:
    """A line for each score: the generators', and that of perfect samples."""
    lines = [["", *found, "perfect samples", "better"]]
    for name, measure in SCORES.items():
        cells = [
            format_mean_sem(np.array(values[name]), measure.digits)
            for values in (*found.values(), judge.real_baseline)
        ]
        lines.append([measure.label, *cells, measure.better or "as perfect"])
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    return "\n".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))
        for line in lines
    )


def draw_nearest(run: loading.Run, judge: Evaluator, config: Config) -> None:
    """Draws a few samples, and below each its nearest training image."""
    drawn = to_pixels(run.gan.sample(run.state, jax.random.key(config.seed), SHOWN))
    found = judge.images[judge.nearest(drawn)]
    rows = [
        row
        for i in range(0, SHOWN, 16)
        for row in (("samples", drawn[i : i + 16]), ("nearest", found[i : i + 16]))
    ]
    path = config.workdir / "nearest.png"
    figures.save_strip(path, rows, title(run, config), columns=16)
    print_line(Console(), f"Samples beside the nearest training images: {path}")


if __name__ == "__main__":
    main()
