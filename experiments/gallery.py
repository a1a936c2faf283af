"""Trains every system at its documented length, and collects what the runs have drawn and measured.

`python -m experiments.gallery` trains whatever is not yet trained in runs/gallery/, on MNIST where it can be had and on
the embedded digits otherwise, and draws docs/gallery/: for each system its last samples and its losses, and a table of
data, steps, times and figures. On two 2.5 GHz CPU cores that takes about two and a half hours, most of it
for the two of `mnist_cnn`.
"""

import dataclasses
import json
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from jaxgan._io import write_atomic
from jaxgan.data.image_datasets import DEFAULT_DATA_DIR
from jaxgan.errors import ConfigError, TrainingError
from jaxgan.evaluation.tables import format_mean_sem
from jaxgan.plotting import images
from jaxgan.runs import run_dir
from jaxgan.runs.command_line import exit_on_error, parse_cli
from jaxgan.runs.config import check_ranges
from jaxgan.training import metric_log

SYSTEMS = {
    "mnist_mlp_bce": ("experiments.mnist_mlp_bce",),
    "mnist_mlp": ("experiments.mnist_mlp",),
    "mnist_cnn": ("experiments.mnist_cnn",),
    "mnist_cnn_tuned": ("experiments.mnist_cnn", "--preset", "tuned"),
    "mnist_wgan": ("experiments.mnist_wgan",),
    "mnist_wgan_gradient_penalty": ("experiments.mnist_wgan", "--preset", "gradient-penalty"),
    "parabola": ("experiments.parabola", "--seeds", "64"),
    "parabola_tuned": ("experiments.parabola", "--seeds", "64", "--preset", "tuned"),
}
ANIMATED = "parabola_tuned"
FIRST = "mnist_cnn_tuned"  # its progress is what the project shows first
HEADER = """# Gallery

Drawn by `make gallery`. Times are of training alone, without compiling and drawing, on the machine it ran on; figures
are means over the last fifth of the steps; ± is a standard error.

| system | data | train steps | minutes | D's loss | G's loss | besides |
|---|---|---|---|---|---|---|
"""


@dataclasses.dataclass(frozen=True)
class Config:
    """What to train, and where to put the pictures."""

    workdir: Path = Path("runs/gallery")
    """Folder of the runs, one folder each. Those that are finished are not trained again."""
    out: Path = Path("docs/gallery")
    """Folder of the pictures and the table, README.md."""
    systems: tuple[str, ...] = tuple(SYSTEMS)
    """Which systems to train."""
    dataset: str | None = None
    """See the experiments."""
    data_dir: Path = DEFAULT_DATA_DIR
    """See the experiments."""
    steps: int | None = None
    """Train steps of each system. Unset: the documented length."""
    train: bool = True
    """Switched off: only collect what there is."""

    def __post_init__(self):
        """Raises ConfigError at the first setting that will not do."""
        check_ranges(self)
        for name in self.systems:
            if name not in SYSTEMS:
                raise ConfigError(f"there is no system {name!r}, only {', '.join(SYSTEMS)}")


def main() -> None:
    """Trains and collects as the command line says."""
    with exit_on_error():
        config = parse_cli(Config)
        for name in config.systems if config.train else ():
            train(name, config)
        write_atomic(config.out / "README.md", page(config).encode())
        print(f"The gallery is in {config.out}")


def train(name: str, config: Config) -> None:
    """Trains a system, in a process of its own. Raises TrainingError where that fails."""
    module, *options = SYSTEMS[name]
    options += ["--workdir", str(config.workdir / name)]
    options += [] if config.steps is None else ["--steps", str(config.steps)]
    if module != "experiments.parabola":
        options += ["--data-dir", str(config.data_dir)]
        options += [] if config.dataset is None else ["--dataset", config.dataset]
    print(f"\n{name}", flush=True)
    done = subprocess.run([sys.executable, "-m", module, *options], check=False)
    if done.returncode:
        raise TrainingError(
            f"{name} ended with status {done.returncode}; mend that, and start the gallery again"
        )


def page(config: Config) -> str:
    """The table and the pictures, which are copied beside it."""
    rows, pictures = [], []
    for name in SYSTEMS:
        workdir = config.workdir / name
        record = run_dir.read_config(workdir)
        if record is None:
            continue
        rows.append("| " + " | ".join(row(name, workdir, record)) + " |\n")
        last = max(workdir.glob("samples/*.png"), key=lambda path: int(path.stem))
        images.save_quantized(config.out / f"{name}.png", last)
        images.save_quantized(config.out / f"{name}_losses.png", workdir / "losses.png")
        if name == FIRST:
            shutil.copyfile(workdir / "progress.png", config.out / f"{name}_progress.png")
        pictures.append(f"\n## {name}\n\n![samples]({name}.png)\n\n![losses]({name}_losses.png)\n")
        if name == ANIMATED:
            shutil.copyfile(workdir / "parabola.gif", config.out / f"{name}.gif")
            pictures.append(f"\n![the paintings, from the first step to the last]({name}.gif)\n")
    return HEADER + "".join(rows) + "".join(pictures)


def row(name: str, workdir: Path, record: dict[str, Any]) -> list[str]:
    """The cells of a system."""
    metrics, timing = (
        metric_log.read_columns(workdir / f"{kind}.jsonl") for kind in ("metrics", "timing")
    )
    step = int(metrics["step"][-1])
    late = metrics["step"] > 0.8 * step
    cells = [
        f"`{name}`",
        record["data"]["name"],
        f"{step:,}",
        f"{timing['seconds'].sum() / 60:.1f}",
    ]
    cells += [f"{metrics[column][late].mean():.3f}" for column in ("d_loss", "g_loss")]
    if (workdir / "distance.json").exists():
        values = np.array(json.loads((workdir / "distance.json").read_text())["w2_squared"])
        besides = f"W2² {format_mean_sem(values, 4)}" + (
            f", {len(values)} seeds" if len(values) > 1 else ""
        )
    elif "d_real_probability" in metrics:
        real, fake = (metrics[f"d_{of}_probability"][late].mean() for of in ("real", "fake"))
        besides = f"D(x) {real:.2f}, D(G(z)) {fake:.2f}"
    else:
        besides = f"estimated distance {-metrics['d_loss'][late].mean():.3f}"
    return [*cells, besides]


if __name__ == "__main__":
    main()
