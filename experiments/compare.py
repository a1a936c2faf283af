"""Compares the objectives that a GAN can be trained with, each over several seeds, at an equal budget of images.

`python -m experiments.compare --dataset mnist` writes the protocol, a table, a plot, and the best and the worst seed's
samples of each objective into its folder, and goes on there where it was interrupted.
"""

import dataclasses
import json
import sys
from pathlib import Path
from typing import NamedTuple

import numpy as np
import optax
from rich.console import Console

from jaxgan import GAN, losses, make_gan, models, optimizers, penalties, priors
from jaxgan._io import save_array, write_atomic
from jaxgan.data.image_datasets import DEFAULT_DATA_DIR, Images, load_split
from jaxgan.data.sources import array_source, default_repeats, to_pixels
from jaxgan.distributed.sharding import select_member
from jaxgan.errors import ConfigError
from jaxgan.evaluation.evaluator import SCORES, Evaluator
from jaxgan.evaluation.tables import format_mean_sem, markdown_table
from jaxgan.losses import GANLoss
from jaxgan.penalties import Penalty
from jaxgan.plotting import figures
from jaxgan.runs.command_line import exit_on_error, parse_cli
from jaxgan.runs.config import RunConfig, check_ranges
from jaxgan.runs.console import print_line, progress_reporter
from jaxgan.runs.image_runner import load_evaluator
from jaxgan.runs.runtime import configure_jax
from jaxgan.training.loop import train
from jaxgan.training.rng import make_rng_streams

SHOWN = 16
PROTOCOL = """# Objectives compared on {dataset}

`python -m experiments.compare --dataset {dataset} --seeds {seeds} --steps {steps}`: {seeds} seeds of each objective,
{images:,} real images each, {num:,} samples judged of each generator. Mean ± standard error over the seeds; of perfect
samples over draws.

All train the networks of `mnist_mlp`. One update of the discriminator takes a batch of {batch_size}; a Wasserstein
critic has five to one of the generator's, so its generator has a fifth of the updates. All move by Adam (1e-3, betas
0.5 and 0.999; with WGAN's gradient penalty 0 and 0.9), but clipped weights by RMSprop (5e-5), as their authors have it,
which is slow. Nothing is tuned or averaged, and no checkpoint is selected: judged is the generator after its last
update. Published figures of other authors are of other networks' features, and not comparable.

"""


class Objective(NamedTuple):
    """What the players minimise, and how they move. `clip` bounds the critic's weights."""

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
    """What to compare, and for how long."""

    dataset: str = "mnist"
    """mnist, fashion_mnist, kmnist, digits, or another set of 28x28 images with labels that TFDS has prepared."""
    data_dir: Path = DEFAULT_DATA_DIR
    """Folder of the prepared data sets."""
    workdir: Path = Path("runs/compare")
    """Folder of the comparison. Giving the same one again goes on."""
    losses: tuple[str, ...] = tuple(OBJECTIVES)
    """Which objectives."""
    seeds: int = 8
    """How many of each; they are trained at once."""
    steps: int = 3_000
    """Updates of each discriminator."""
    batch_size: int = 128
    """Real images an update of the discriminator."""
    seed: int = 0
    """The first seed."""
    num: int | None = None
    """Samples that a generator is judged by. Unset: 10,000, or half of a small data set."""

    def __post_init__(self):
        """Raises ConfigError at the first setting that will not do."""
        check_ranges(self)
        for name in self.losses:
            if name not in OBJECTIVES:
                raise ConfigError(f"there is no objective {name!r}, only {', '.join(OBJECTIVES)}")


def main() -> None:
    """Compares as the command line says."""
    with exit_on_error():
        config = parse_cli(Config)
        configure_jax(RunConfig(seeds=config.seeds))
        settle(config)
        data = load_split(config.dataset, config.data_dir)
        judge = load_evaluator(data, config.data_dir, config.num)
        found = {name: result(name, config, data, judge) for name in config.losses}
        report(found, config, judge)
        print_line(Console(), f"The comparison is in {config.workdir}/README.md")


def settle(config: Config) -> None:
    """Keeps the settings. Raises ConfigError where the folder has a comparison with other ones."""
    path = config.workdir / "protocol.json"
    protocol = {
        name: getattr(config, name)
        for name in ("dataset", "seeds", "steps", "batch_size", "seed", "num")
    }
    protocol["text"] = PROTOCOL  # which says how the objectives move
    before = json.loads(path.read_text()) if path.exists() else protocol
    differing = [name for name in protocol if before.get(name) != protocol[name]]
    if differing:
        raise ConfigError(
            f"{config.workdir} has a comparison with other settings of {', '.join(differing)}; take another --workdir"
        )
    write_atomic(path, json.dumps(protocol).encode())


def build(objective: Objective) -> GAN:
    """The perceptrons of `mnist_mlp`."""
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


def result(name: str, config: Config, data: Images, judge: Evaluator) -> dict[str, list[float]]:
    """Every score, `[seeds]`, of an objective: as kept, or else trained and judged, then kept with some samples."""
    folder, objective = config.workdir / name, OBJECTIVES[name]
    if (folder / "scores.json").exists():
        return json.loads((folder / "scores.json").read_text())
    print_line(Console(), name)
    gan = build(objective)
    source = array_source(data.images, config.batch_size, repeats=default_repeats(len(data.images)))
    turns = {"d_steps": objective.d_steps, "share_noise": objective.d_steps == 1}
    steps = max(1, config.steps // objective.d_steps)
    with progress_reporter(Console()) as report:
        states, step = train(
            gan,
            source,
            folder,
            seed=config.seed,
            seeds=config.seeds,
            steps=steps,
            **turns,
            report=report,
        )
    if step < steps:
        print_line(
            Console(), f"Stopped at step {step:,} of {steps:,} of {name}; the same command goes on."
        )
        sys.exit(130)
    found, shown = [], []
    for i, key in enumerate(make_rng_streams(config.seed, config.seeds).score):
        samples = gan.sample(select_member(states, i), key, judge.num)
        found.append(judge.scores(samples))
        shown.append(to_pixels(samples[:SHOWN]))
    save_array(folder / "samples.npy", np.stack(shown))
    values = {name: [scores[name] for scores in found] for name in SCORES}
    write_atomic(folder / "scores.json", json.dumps(values).encode())
    return values


def report(found: dict[str, dict[str, list[float]]], config: Config, judge: Evaluator) -> None:
    """Writes README.md, frechet.png and samples.png."""
    ranked = dict(sorted(found.items(), key=lambda item: float(np.mean(item[1]["frechet"]))))
    head, lines = ["objective", *(measure.label for measure in SCORES.values())], []
    for name, values in (*ranked.items(), ("perfect samples", judge.real_baseline)):
        lines.append(
            [name, *(format_mean_sem(np.array(values[m]), SCORES[m].digits) for m in SCORES)]
        )
    images = config.steps * config.batch_size
    protocol = PROTOCOL.format(**dataclasses.asdict(config) | {"images": images, "num": judge.num})
    pictures = "\n\n![Fréchet distance of every seed](frechet.png)\n\n![best and worst seeds](samples.png)\n"
    write_atomic(
        config.workdir / "README.md", (protocol + markdown_table(head, lines) + pictures).encode()
    )
    distances = {name: np.array(values["frechet"]) for name, values in ranked.items()}
    caption = f"{config.dataset} · {config.seeds} seeds, {images:,} images each"
    figures.save_seeds(
        config.workdir / "frechet.png",
        distances,
        float(np.mean(judge.real_baseline["frechet"])),
        caption,
    )
    rows = []
    for name, values in distances.items():
        samples = np.load(config.workdir / name / "samples.npy")
        rows += [
            (f"{name}, best", samples[np.argmin(values)]),
            (f"{name}, worst", samples[np.argmax(values)]),
        ]
    figures.save_strip(config.workdir / "samples.png", rows, caption, columns=SHOWN, zoom=1)


if __name__ == "__main__":
    main()
