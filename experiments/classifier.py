"""Trains the classifier that the metrics see with, and keeps it with the prepared data.

`python -m experiments.classifier --dataset mnist` takes 36 seconds on two 2.5 GHz CPU cores. Whatever needs the
classifier trains it by itself where it is missing; this command is for those who want it beforehand, or anew.
"""

import dataclasses
from pathlib import Path

from rich.console import Console

from jaxgan.data.images import DATA_DIR
from jaxgan.features import features_of
from jaxgan.progress import say, waiting
from jaxgan.settings import command_line, ends_plainly


@dataclasses.dataclass(frozen=True)
class Config:
    """What to train on."""

    dataset: str = "mnist"
    """mnist, fashion_mnist, kmnist, digits, or another set with labels that TFDS has prepared."""
    data_dir: Path = DATA_DIR
    """Folder of the prepared data sets; the classifier is kept in classifiers/NAME.npz there."""
    overwrite: bool = False
    """Train anew where there is one."""


def main() -> None:
    """Trains as the command line says."""
    with ends_plainly():
        config = command_line(Config)
        console = Console()
        with waiting(console, f"Training the classifier of {config.dataset}") as report:
            features = features_of(config.dataset, config.data_dir, report, overwrite=config.overwrite)
        share = f"{100 * features.accuracy:.2f} % of the test images right"
        say(console, f"The classifier of {config.dataset} gets {share}, of {features.classes} classes")


if __name__ == "__main__":
    main()
