"""Toys with known answers: 8 and 25 Gaussians, ten seeds at once, counted as PacGAN counts.

A generator turns two normal numbers into points of the plane, a discriminator tells whether they are of the mixture:
8 narrow Gaussians in a ring, or 25 on a grid. How many of the modes a generator has found, how many of its points lie
where points should, and how evenly it serves the modes is counted (`jaxgan.metrics.mixture`), and printed beside what
the mixture's own points would score and beside published figures.

`python -m experiments.mixture --kind ring` and `--kind grid --workdir runs/grid` train 10 GANs each for 4,000 train
steps. The networks, the optimiser and the order of play are PacGAN's, but the run is a hundredth of its 400,000 steps;
`--steps 400000` is the full one. `--preset packed` shows the discriminator two points at once; `--preset tuned` plays
the game of Huang et al. 2024 with the same networks in the same steps.
"""

import dataclasses
import json
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

import jax
import numpy as np
import optax
from rich.console import Console

from jaxgan import GAN, losses, make_gan, models, optimizers, penalties, priors
from jaxgan._io import write_atomic
from jaxgan.data.mixture import MIXTURES, Mixture, mixture_source, sample_mixture
from jaxgan.diagnostics.probes import make_sample_probe
from jaxgan.errors import ConfigError
from jaxgan.evaluation.samples import measure_samples
from jaxgan.evaluation.tables import format_mean_sem
from jaxgan.metrics.mixture import EXPECTED_HIGH_QUALITY, RADIUS, expected_kl, mixture_scores
from jaxgan.plotting import figures
from jaxgan.plotting.callbacks import make_plot_callback
from jaxgan.runs.command_line import exit_on_error, parse_cli
from jaxgan.runs.config import PRECISIONS, RunConfig
from jaxgan.runs.console import print_line
from jaxgan.runs.runner import run_training
from jaxgan.runs.runtime import configure_jax

JUDGED = 2_500
PANELS = 5

# Modes, % of high quality, KL in nats (a dash where none was published), as printed; ± is a standard error.
VEEGAN = "Srivastava et al. 2017, table 1: 5 runs"
PACGAN = "Lin et al. 2018, table 1: 10 runs of 400,000 steps"
PUBLISHED = {
    "ring": (
        ("GAN", "1", "99.3", "-", VEEGAN),
        ("ALI", "2.8", "0.13", "-", VEEGAN),
        ("Unrolled GAN", "7.6", "35.6", "-", VEEGAN),
        ("VEEGAN", "8", "52.9", "-", VEEGAN),
        ("GAN", "6.3 ± 0.5", "98.2 ± 0.2", "0.45", PACGAN),
        ("ALI", "6.6 ± 0.3", "97.6 ± 0.4", "0.36", PACGAN),
        ("PacGAN2", "7.9 ± 0.1", "95.6 ± 2.0", "0.07", PACGAN),
        ("PacGAN3", "7.8 ± 0.1", "97.7 ± 0.3", "0.10", PACGAN),
        ("PacGAN4", "7.8 ± 0.1", "95.9 ± 1.4", "0.07", PACGAN),
    ),
    "grid": (
        ("GAN", "3.3", "0.5", "-", VEEGAN),
        ("ALI", "15.8", "1.6", "-", VEEGAN),
        ("Unrolled GAN", "23.6", "16", "-", VEEGAN),
        ("VEEGAN", "24.6", "40", "-", VEEGAN),
        ("GAN", "17.3 ± 0.8", "94.8 ± 0.7", "0.70", PACGAN),
        ("ALI", "24.1 ± 0.4", "95.7 ± 0.6", "0.14", PACGAN),
        ("PacGAN2", "23.8 ± 0.7", "91.3 ± 0.8", "0.13", PACGAN),
        ("PacGAN3", "24.6 ± 0.4", "94.2 ± 0.4", "0.06", PACGAN),
        ("PacGAN4", "24.8 ± 0.2", "93.6 ± 0.6", "0.04", PACGAN),
    ),
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    """The documented run."""

    kind: Literal["ring", "grid"] = "ring"
    """ring: 8 modes at radius 1, sigma 0.01. grid: 25 modes, 2 apart, sigma 0.05."""
    preset: Literal["faithful", "packed", "tuned"] = "faithful"
    """faithful: PacGAN's plain GAN. packed: PacGAN2. tuned: a relativistic game with penalties."""
    workdir: Path = Path("runs/mixture")
    steps: int | None = 4_000
    batch_size: int = 100
    order: Literal["d_first", "g_first", "simultaneous"] = "simultaneous"
    block: int = 100
    seeds: int | None = 10
    pack: int = 1
    """How many points the discriminator sees at once. PacGAN's batches have 100 packs: --batch-size 100 times that."""
    loss: Literal["non_saturating", "relativistic"] = "non_saturating"
    """What both minimise."""
    gamma: float = 0.0
    """Weight of the penalties on the discriminator's slope at real and at generated points (R1 + R2). 0: none."""
    learning_rate: float = 1e-4
    """Adam's, for both networks."""
    b1: float = 0.8
    """Adam's momentum."""
    b2: float = 0.999
    """Adam's memory of squared gradients."""
    decay_steps: int | None = None
    """Train steps in which the learning rate falls to 0, by the same amount in each. Unset: it stays."""

    seconds_per_step: ClassVar[float] = 0.17
    presets: ClassVar = {
        "packed": {"pack": 2, "batch_size": 200},
        "tuned": {"loss": "relativistic", "gamma": 0.1}
        | {"learning_rate": 1e-3, "b1": 0.0, "b2": 0.9, "decay_steps": 4_000},
    }

    def __post_init__(self):
        """Raises ConfigError at the first setting that will not do."""
        super().__post_init__()
        if self.batch_size % self.pack:
            raise ConfigError(
                f"batch_size is {self.batch_size}, expected a multiple of pack, {self.pack}"
            )
        if self.pack > 1 and self.gamma:
            raise ConfigError(
                f"gamma is {self.gamma} and pack is {self.pack}: a pack's logit has no slope at a point"
            )


def build(config: Config) -> GAN:
    """The two players of the settings."""
    dtypes = PRECISIONS[config.precision]
    gamma, rate = config.gamma, config.learning_rate
    if config.decay_steps is not None:
        rate = optax.linear_schedule(config.learning_rate, 0.0, config.decay_steps)
    return make_gan(
        generator=models.MixtureGenerator(**dtypes),
        discriminator=models.MixtureDiscriminator(pack=config.pack, **dtypes),
        loss={"non_saturating": losses.non_saturating, "relativistic": losses.relativistic}[
            config.loss
        ],
        d_tx=optimizers.adam(rate, config.b1, config.b2),
        g_tx=optimizers.adam(rate, config.b1, config.b2),
        prior=priors.normal(2),
        penalty=penalties.sum_penalties(penalties.r1(gamma), penalties.r2(gamma))
        if gamma
        else None,
    )


def main() -> None:
    """Trains as the command line says, then counts what has been learned."""
    with exit_on_error():
        config = parse_cli(Config)
        configure_jax(config)
        gan, mixture = build(config), MIXTURES[config.kind]
        real = jax.jit(partial(sample_mixture, mixture, num=JUDGED))(jax.random.key(0))
        measure = jax.jit(lambda samples: mixture_scores(samples, mixture)._asdict())
        state = run_training(
            config,
            gan,
            mixture_source(mixture, config.batch_size),
            data={"name": config.kind, "shape": [2]},
            probe=make_sample_probe(gan, real, JUDGED, measure),
            drawer=partial(
                make_plot_callback,
                save=partial(picture, mixture, measure),
                animation="mixture.gif",
                num=JUDGED,
                strip=PANELS,
            ),
        )
        conclude(
            config,
            measure_samples(gan, state, JUDGED, measure, seed=config.seed, seeds=config.seeds),
        )


def picture(
    mixture: Mixture,
    measure: Callable,
    path: Path,
    points: np.ndarray,
    metrics: dict[str, float],
    probes: dict[str, float],
    caption: str,
) -> None:
    """Draws points `[N, 2]` and says what they score."""
    del metrics, probes
    found = jax.device_get(measure(points))
    said = f"{found['modes']} of {len(mixture.means)} modes, {100 * found['high_quality']:.1f} % within 3 sigma, "
    said += f"KL {found['divergence']:.3f}"
    figures.save_points(path, points, mixture.means, RADIUS * mixture.sigma, f"{caption}\n{said}")


def conclude(config: Config, figures: dict[str, np.ndarray]) -> None:
    """Says how the generators' points are, `[seeds]` each, and keeps the figures in scores.json."""
    num = len(MIXTURES[config.kind].means)
    ideal = {
        "modes": num,
        "high_quality": EXPECTED_HIGH_QUALITY,
        "divergence": expected_kl(num, JUDGED),
    }
    names = ("system", *ideal, "source")
    kept = {
        "samples": JUDGED,
        "scores": {name: x.tolist() for name, x in figures.items()},
        "ideal": ideal,
        "published": [dict(zip(names, row, strict=True)) for row in PUBLISHED[config.kind]],
    }
    write_atomic(
        config.workdir / "scores.json",
        (json.dumps(kept, indent=2, ensure_ascii=False) + "\n").encode(),
    )
    print_line(Console(), describe(config, figures))


def describe(config: Config, figures: dict[str, np.ndarray]) -> str:
    """A table: how the points of all generators are, `[seeds]` each, what would be perfect, and what others have."""
    num, seeds = len(MIXTURES[config.kind].means), len(figures["modes"])
    here = (
        format_mean_sem(figures["modes"], 1),
        format_mean_sem(100 * figures["high_quality"], 1),
        format_mean_sem(figures["divergence"], 3),
        f"{seeds} seeds" if seeds > 1 else "one seed",
    )
    perfect = (
        f"{num}",
        f"{100 * EXPECTED_HIGH_QUALITY:.1f}",
        f"{expected_kl(num, JUDGED):.4f}",
        "the mixture's own points",
    )
    rows = [
        ("", f"modes of {num}", "% within 3 sigma", "KL (nats)", ""),
        (f"this {config.preset} run", *here),
        ("perfect", *perfect),
        *PUBLISHED[config.kind],
    ]
    lines = [f"{row[0]:<20}{row[1]:>14}{row[2]:>18}{row[3]:>16}  {row[4]}".rstrip() for row in rows]
    return "\n".join([f"Of {JUDGED:,} points a generator; means, ± standard errors:", *lines])


if __name__ == "__main__":
    main()
