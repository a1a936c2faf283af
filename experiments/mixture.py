"""Trains GANs on mixtures of 8 or 25 Gaussians, ten seeds at once, and counts modes as PacGAN does.

The generator maps a latent vector of two normal numbers to a point in the plane. The data are 8
narrow Gaussians on a ring, or 25 on a grid. The run prints the number of modes found, the fraction
of points close to a mode, and how evenly the modes are covered (see `jaxgan.metrics.mixture`),
together with the values of real points and with published values.

`python -m experiments.mixture --mixture ring` and `--mixture grid --workdir runs/grid` train ten
GANs each for 4,000 train steps. Networks, optimizer and update order are PacGAN's, but a run has a
hundredth of its 400,000 steps; `--steps 400000` runs all of them. `--preset packed` gives the
discriminator two points at once; `--preset tuned` uses the relativistic loss with R1 and R2 of
Huang et al. 2024, with the same networks and steps.
"""

import dataclasses
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

import jax
import numpy as np

from jaxgan import GAN, GANState, losses, make_gan, models, penalties, priors
from jaxgan._io import write_json
from jaxgan.data.mixture import MIXTURES, Mixture, mixture_source, sample_mixture
from jaxgan.diagnostics.probes import make_sample_probe
from jaxgan.errors import ConfigError
from jaxgan.evaluation.samples import make_evaluate_fn, measure_samples
from jaxgan.evaluation.tables import format_mean_sem
from jaxgan.metrics.mixture import (
    EXPECTED_HIGH_QUALITY,
    HIGH_QUALITY_RADIUS,
    expected_kl,
    mixture_scores,
)
from jaxgan.plotting import figures
from jaxgan.plotting.callbacks import make_plot_callback
from jaxgan.runs.command_line import exit_on_error, parse_cli
from jaxgan.runs.config import PRECISIONS, AdamOptions
from jaxgan.runs.console import print_line
from jaxgan.runs.finish import finish_run
from jaxgan.runs.runner import run_training
from jaxgan.runs.runtime import configure_jax
from jaxgan.train_step import UpdateOrder

NUM_MEASURED = 2_500
NUM_PANELS = 5

# Modes, % of high quality, KL in nats (a dash if not published), as printed; ± is a standard error.
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
class Config(AdamOptions):
    """Options of the experiment; the defaults are those of the documented run."""

    mixture: Literal["ring", "grid"] = "ring"
    """ring: 8 modes at radius 1, sigma 0.01. grid: 25 modes, 2 apart, sigma 0.05."""
    preset: Literal["faithful", "packed", "tuned"] = "faithful"
    """faithful: PacGAN's plain GAN. packed: PacGAN2. tuned: relativistic loss with R1 and R2."""
    workdir: Path = Path("runs/mixture")
    steps: int | None = 4_000
    batch_size: int = 100
    update_order: UpdateOrder = "simultaneous"
    steps_per_block: int = 100
    num_seeds: int | None = 10
    pack: int = 1
    """Points that the discriminator sees at once. PacGAN's batches have 100 packs: set
    --batch-size to 100 times this number."""
    loss: Literal["non_saturating", "relativistic"] = "non_saturating"
    """Loss of both networks."""
    gamma: float = 0.0
    """Weight gamma of R1 and of R2, the penalties on the discriminator's gradient at real and at
    generated points. 0: none."""
    learning_rate: float = 1e-4
    b1: float = 0.8

    presets: ClassVar = {
        "packed": {"pack": 2, "batch_size": 200},
        "tuned": dict(
            loss="relativistic", gamma=0.1, learning_rate=1e-3, b1=0.0, b2=0.9, decay_steps=4_000
        ),
    }

    def __post_init__(self):
        """Raises ConfigError at the first option that is invalid."""
        super().__post_init__()
        if self.batch_size % self.pack:
            raise ConfigError(
                f"batch_size is {self.batch_size}, expected a multiple of pack, {self.pack}"
            )
        if self.pack > 1 and self.gamma:
            raise ConfigError(
                f"gamma is {self.gamma} and pack is {self.pack}: the logit of a pack has no "
                "gradient at a single point; set one of them to its default"
            )


def build(config: Config) -> GAN:
    """Returns the GAN of a configuration."""
    dtypes = PRECISIONS[config.precision]
    d_tx, g_tx = config.make_optimizers()
    gamma = config.gamma
    penalty = penalties.sum_penalties(penalties.r1(gamma), penalties.r2(gamma)) if gamma else None
    pairs = {"non_saturating": losses.non_saturating, "relativistic": losses.relativistic}
    return make_gan(
        generator=models.MixtureGenerator(**dtypes),
        discriminator=models.MixtureDiscriminator(pack=config.pack, **dtypes),
        loss=pairs[config.loss],
        d_tx=d_tx,
        g_tx=g_tx,
        prior=priors.normal(2),
        penalty=penalty,
        field_transform=config.make_field_transform(),
    )


def main() -> None:
    """Parses the command line, trains, then measures and prints the result."""
    with exit_on_error():
        config = parse_cli(Config)
        configure_jax(config)
        gan, mixture = build(config), MIXTURES[config.mixture]
        measure = jax.jit(lambda samples: mixture_scores(samples, mixture)._asdict())
        state, step = train_on_mixture(config, gan, mixture, measure)
        finish_run(config, step, partial(report_scores, config, gan, state, measure))


def train_on_mixture(
    config: Config, gan: GAN, mixture: Mixture, measure: Callable
) -> tuple[GANState, int]:
    """Trains, or resumes; returns the final state and its train step."""
    real = jax.jit(partial(sample_mixture, mixture, num=NUM_MEASURED))(jax.random.key(0))
    evaluate = make_evaluate_fn(
        gan, NUM_MEASURED, measure, config.num_seeds, select_by="kl_divergence"
    )
    return run_training(
        config,
        gan,
        mixture_source(mixture, config.batch_size),
        data={"name": config.mixture, "shape": [2]},
        make_draw_fn=partial(
            make_plot_callback,
            save_fn=partial(save_figure, mixture, measure),
            animation_name="mixture.gif",
            num_samples=NUM_MEASURED,
            num_panels=NUM_PANELS,
            log_fn=print_line,
        ),
        probe=make_sample_probe(gan, real, NUM_MEASURED, measure),
        evaluate=evaluate if config.evaluate_every is not None else None,
    )


def save_figure(
    mixture: Mixture,
    measure: Callable,
    path: Path,
    points: np.ndarray,
    metrics: dict[str, float],
    probes: dict[str, float],
    caption: str,
) -> None:
    """Draws points `[N, 2]`, with their scores in the caption."""
    del metrics, probes
    scores = jax.device_get(measure(points))
    text = (
        f"{scores['modes_found']} of {len(mixture.means)} modes, "
        f"{100 * scores['high_quality']:.1f} % within 3 sigma, KL {scores['kl_divergence']:.3f}"
    )
    radius = HIGH_QUALITY_RADIUS * mixture.sigma
    figures.save_points(path, points, mixture.means, radius, f"{caption}\n{text}")


def report_scores(config: Config, gan: GAN, state: GANState, measure: Callable) -> None:
    """Measures samples of each GAN, prints a table with published values, writes scores.json."""
    scores = measure_samples(
        gan, state, NUM_MEASURED, measure, seed=config.seed, num_seeds=config.num_seeds
    )
    num_modes = len(MIXTURES[config.mixture].means)
    expected = {
        "modes_found": num_modes,
        "high_quality": EXPECTED_HIGH_QUALITY,
        "kl_divergence": expected_kl(num_modes, NUM_MEASURED),
    }
    names = ("system", *expected, "source")
    record = {
        "num_samples": NUM_MEASURED,
        "scores": {name: values.tolist() for name, values in scores.items()},
        "expected": expected,
        "published": [dict(zip(names, row, strict=True)) for row in PUBLISHED[config.mixture]],
    }
    write_json(config.workdir / "scores.json", record, ensure_ascii=False)
    print_line(format_scores(config, scores))


def format_scores(config: Config, scores: dict[str, np.ndarray]) -> str:
    """Returns a table: scores of this run `[num_seeds]`, of real points, and published ones."""
    num_modes, seeds = len(MIXTURES[config.mixture].means), len(scores["modes_found"])
    own = (
        format_mean_sem(scores["modes_found"], 1),
        format_mean_sem(100 * scores["high_quality"], 1),
        format_mean_sem(scores["kl_divergence"], 3),
        f"{seeds} seeds" if seeds > 1 else "one seed",
    )
    expected = (
        f"{num_modes}",
        f"{100 * EXPECTED_HIGH_QUALITY:.1f}",
        f"{expected_kl(num_modes, NUM_MEASURED):.4f}",
        "points of the mixture itself",
    )
    rows = [
        ("", f"modes of {num_modes}", "% within 3 sigma", "KL (nats)", ""),
        (f"this {config.preset} run", *own),
        ("real points", *expected),
        *PUBLISHED[config.mixture],
    ]
    lines = [f"{r[0]:<20}{r[1]:>14}{r[2]:>18}{r[3]:>16}  {r[4]}".rstrip() for r in rows]
    return "\n".join([f"Scores of {NUM_MEASURED:,} points per GAN, mean ± standard error:", *lines])


if __name__ == "__main__":
    main()
