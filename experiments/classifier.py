"""Trains the classifier that the metrics see with, and keeps it with the prepared data.

`python -m experiments.classifier --dataset mnist` takes 36 seconds on two 2.5 GHz CPU cores. Whatever needs the
classifier trains it by itself where it is missing; this command is for those who want it beforehand, or anew.
"""

import dataclasses
from pathlib import Path

from rich.console import Console

from jaxgan.data.image_datasets import DEFAULT_DATA_DIR
from jaxgan.evaluation.classifier import load_or_train_classifier
from jaxgan.runs.command_line import exit_on_error, parse_cli
from jaxgan.runs.console import print_line, progress_bar


@dataclasses.dataclass(frozen=True)
class Config:
    """What to train on."""

    dataset: str = "mnist"
    """mnist, fashion_mnist, kmnist, digits, or another set with labels that TFDS has prepared."""
    data_dir: Path = DEFAULT_DATA_DIR
    """Folder of the prepared data sets; the classifier is kept in classifiers/NAME.npz there."""
    overwrite: bool = False
    """Train anew where there is one."""


def main() -> None:
    """Trains as the command line says."""
    with exit_on_error():
        config = parse_cli(Config)
        console = Console()
        with progress_bar(console, f"Training the classifier of {config.dataset}") as report:
            features = load_or_train_classifier(
                config.dataset, config.data_dir, report, overwrite=config.overwrite
            )
        share = f"{100 * features.accuracy:.2f} % of the test images right"
        print_line(
            console,
            f"The classifier of {config.dataset} gets {share}, of {features.classes} classes",
        )


if __name__ == "__main__":
    main()
