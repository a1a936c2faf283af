"""Compares GAN objectives, each over several seeds, at an equal budget of real images.

    python -m experiments.compare --dataset mnist

The workdir receives README.md with the protocol and a table of scores, a plot of the
Fréchet distances, and samples of the best and the worst seed of each objective. Run the same
command again to resume an interrupted comparison.
"""

import dataclasses
import json
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import optax

from experiments.shared import train_or_exit, write_protocol
from jaxgan import GAN, losses, make_gan, models, optimizers, penalties, priors
from jaxgan._io import save_array, write_atomic
from jaxgan.data.image_datasets import DEFAULT_DATA_DIR, load_split
from jaxgan.data.sources import Source, array_source, default_repeats, to_pixels
from jaxgan.distributed.sharding import select_member
from jaxgan.errors import ConfigError
from jaxgan.evaluation import SCORES, Evaluator, format_mean_sem, markdown_table
from jaxgan.losses import GANLoss
from jaxgan.penalties import Penalty
from jaxgan.plotting import figures, learning_curves
from jaxgan.runs.command_line import exit_on_error, parse_cli
from jaxgan.runs.config import ImageRunConfig
from jaxgan.runs.console import print_line
from jaxgan.runs.image_evaluation import load_evaluator
from jaxgan.runs.image_runner import check_sample_shape
from jaxgan.runs.runtime import configure_jax
from jaxgan.states import GANState
from jaxgan.training import TrainOptions
from jaxgan.training.options import check_ranges
from jaxgan.training.rng import make_rng_streams

NUM_SHOWN = 16  # samples of a seed in samples.png
INTRODUCTION = """# Comparison of objectives on {dataset}

`python -m experiments.compare --dataset {dataset} --num-seeds {num_seeds} --steps {steps}`

Each objective is trained from {num_seeds} seeds on {images:,} real images per seed, and each
generator is scored on {num_samples:,} samples. Objectives: mean ± standard error over the seeds;
real images: over draws of held-out training images.

All objectives train the networks of `mnist_mlp`. One update of the discriminator takes a batch of
{batch_size}. A Wasserstein critic is updated five times per update of the generator, so its
generator gets a fifth of the updates. The optimizer is Adam (learning rate 1e-3, betas 0.5 and
0.999; betas 0 and 0.9 with WGAN's gradient penalty), except with weight clipping, which uses
RMSprop (learning rate 5e-5) as in the original paper and is slow. No hyperparameter is tuned, the
generator's parameters are not averaged, and no checkpoint is selected: the scores are those of the
generator after its last update. They are not comparable with published values, which use the
features of other networks.

"""
FIGURES = """

![Fréchet distance of every seed](frechet.png)

![samples of the best and the worst seeds](samples.png)
"""


class Objective(NamedTuple):
    """Loss and optimization of one objective.

    Attributes:
      loss: Losses of the discriminator and the generator.
      tx: Optimizer of both networks.
      penalty: Penalty added to the discriminator's loss.
      clip: Bound of the absolute value of the critic's weights; None if they are not clipped.
      d_steps: Updates of the discriminator per update of the generator.
    """

    loss: GANLoss
    tx: optax.GradientTransformation = optimizers.adam(1e-3)
    penalty: Penalty | None = None
    clip: float | None = None
    d_steps: int = 1


OBJECTIVES = {
    "minimax": Objective(losses.minimax),
    "non_saturating": Objective(losses.non_saturating),
    "non_saturating_r1": Objective(losses.non_saturating, penalty=penalties.r1(1.0)),
    "non_saturating_dragan": Objective(losses.non_saturating, penalty=penalties.dragan(10.0)),
    "least_squares": Objective(losses.least_squares),
    "hinge": Objective(losses.hinge),
    "relativistic": Objective(losses.relativistic),
    "relativistic_r1_r2": Objective(
        losses.relativistic, penalty=penalties.sum_penalties(penalties.r1(1.0), penalties.r2(1.0))
    ),
    "relativistic_average": Objective(losses.relativistic_average),
    "wasserstein": Objective(losses.wasserstein, optimizers.rmsprop(5e-5), clip=0.01, d_steps=5),
    "wasserstein_gradient_penalty": Objective(
        losses.wasserstein,
        optimizers.adam(1e-3, b1=0.0, b2=0.9),
        penalties.gradient_penalty(10.0),
        d_steps=5,
    ),
}


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of the comparison."""

    dataset: str = "mnist"
    """mnist, fashion_mnist, kmnist, mnist_5k, digits, or another labeled data set of 28x28 images
    prepared by TFDS."""
    data_dir: Path = DEFAULT_DATA_DIR
    """Directory of the prepared data sets."""
    workdir: Path = Path("runs/compare")
    """Directory of the comparison. An interrupted comparison there is resumed."""
    objectives: tuple[str, ...] = tuple(OBJECTIVES)
    """Objectives to compare."""
    num_seeds: int = 8
    """Number of seeds per objective: SEED, SEED + 1, …, trained at once as a population."""
    steps: int = 3_000
    """Number of updates of each discriminator."""
    batch_size: int = 128
    """Real images per update of the discriminator."""
    seed: int = 0
    """First seed."""
    num: int | None = None
    """Number of samples on which each generator is scored. Unset: 10,000, or half of the images of
    a smaller data set."""

    def __post_init__(self):
        """Raises ConfigError if an option is out of range or an objective is unknown."""
        check_ranges(self)
        if not self.objectives:
            raise ConfigError(f"there are no objectives, expected some of {', '.join(OBJECTIVES)}")
        for name in self.objectives:
            if name not in OBJECTIVES:
                raise ConfigError(
                    f"objective {name!r} is unknown, expected one of {', '.join(OBJECTIVES)}"
                )


def main() -> None:
    """Trains and scores every objective, then writes the report."""
    with exit_on_error():
        config = parse_cli(Config)
        configure_jax(ImageRunConfig(num_seeds=config.num_seeds, data_dir=config.data_dir))
        write_protocol(config.workdir, make_protocol(config))
        data = load_split(config.dataset, config.data_dir)
        # The shape and the number of images are checked before a classifier is trained.
        check_sample_shape(build(OBJECTIVES[config.objectives[0]]), data.name, data.images)
        repeats = default_repeats(len(data.images))
        source = array_source(data.images, config.batch_size, repeats=repeats)
        evaluator = load_evaluator(data, config.data_dir, config.num, "classifier")
        scores = {
            name: train_and_score(name, config, source, evaluator) for name in config.objectives
        }
        write_report(scores, config, evaluator)
        print_line(f"The comparison is in {config.workdir}/README.md")


def make_protocol(config: Config) -> dict[str, Any]:
    """Returns the settings on which the results of the comparison depend."""
    names = ("dataset", "num_seeds", "steps", "batch_size", "seed", "num")
    protocol = {name: getattr(config, name) for name in names}
    return protocol | {"text": INTRODUCTION}  # describes the networks and the optimizers


def build(objective: Objective) -> GAN:
    """Builds the MLPs of `mnist_mlp` with an objective."""
    return make_gan(
        generator=models.MLPGenerator(),
        discriminator=models.MLPDiscriminator(),
        loss=objective.loss,
        d_tx=objective.tx,
        g_tx=objective.tx,
        prior=priors.uniform(100),
        penalty=objective.penalty,
        projection=None if objective.clip is None else optimizers.clip_weights(objective.clip),
    )


def train_and_score(
    name: str, config: Config, source: Source, evaluator: Evaluator
) -> dict[str, list[float]]:
    """Returns `{score: [num_seeds]}` of an objective.

    The scores are read from the workdir if they exist. Otherwise the objective is trained, or its
    training is resumed, and the scores and some samples are saved.
    """
    folder, objective = config.workdir / name, OBJECTIVES[name]
    if (folder / "scores.json").exists():
        return json.loads((folder / "scores.json").read_text())
    print_line(name)
    gan = build(objective)
    states = train_objective(gan, objective, config, source, folder)
    scores, shown = [], []
    for i, key in enumerate(make_rng_streams(config.seed, config.num_seeds).eval):
        samples = gan.sample(select_member(states, i), key, evaluator.num_samples)
        scores.append(evaluator.compute_scores(samples))
        shown.append(to_pixels(samples[:NUM_SHOWN]))
    save_array(folder / "samples.npy", np.stack(shown))
    values = {score: [of_seed[score] for of_seed in scores] for score in SCORES}
    write_atomic(folder / "scores.json", json.dumps(values).encode())
    return values


def train_objective(
    gan: GAN, objective: Objective, config: Config, source: Source, folder: Path
) -> GANState:
    """Trains a population, one member per seed. Exits with status 130 if interrupted."""
    options = TrainOptions(
        steps=max(1, config.steps // objective.d_steps),
        seed=config.seed,
        num_seeds=config.num_seeds,
        d_steps=objective.d_steps,
        share_noise=objective.d_steps == 1,
    )
    return train_or_exit(gan, source, folder, options)


def write_report(
    scores: dict[str, dict[str, list[float]]], config: Config, evaluator: Evaluator
) -> None:
    """Writes README.md, frechet.png and samples.png, with the objectives ranked by distance."""
    mean_distance = {name: float(np.mean(v["frechet_distance"])) for name, v in scores.items()}
    ranked = {name: scores[name] for name in sorted(scores, key=mean_distance.__getitem__)}
    header, rows = ["objective", *(spec.label for spec in SCORES.values())], []
    for name, values in (*ranked.items(), ("real images", evaluator.real_baseline)):
        cells = [format_mean_sem(np.array(values[s]), spec.digits) for s, spec in SCORES.items()]
        rows.append([name, *cells])
    images = config.steps * config.batch_size
    counts = {"images": images, "num_samples": evaluator.num_samples}
    page = INTRODUCTION.format(**dataclasses.asdict(config), **counts)
    page += markdown_table(header, rows) + FIGURES
    write_atomic(config.workdir / "README.md", page.encode())

    distances = {name: np.array(values["frechet_distance"]) for name, values in ranked.items()}
    baseline = float(np.mean(evaluator.real_baseline["frechet_distance"]))
    caption = f"{config.dataset} · {config.num_seeds} seeds, {images:,} images each"
    learning_curves.save_seed_scores(config.workdir / "frechet.png", distances, baseline, caption)
    labeled_samples = []
    for name, values in distances.items():
        samples = np.load(config.workdir / name / "samples.npy")
        labeled_samples += [
            (f"{name}, best", samples[np.argmin(values)]),
            (f"{name}, worst", samples[np.argmax(values)]),
        ]
    figures.save_labeled_rows(
        config.workdir / "samples.png", labeled_samples, caption, columns=NUM_SHOWN, zoom=1
    )


if __name__ == "__main__":
    main()
