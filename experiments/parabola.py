"""A generator learns to paint parabolas.

A famous artist paints curves a x² + (a - 1), with a anywhere between 1 and 2. The generator turns 5 normal numbers into
the curve's height at 15 points, with one hidden layer of 128 units; the discriminator tells whether the artist painted
it. How far the generator's paintings are from the artist's is known exactly (W2², see `jaxgan.metrics.parabola`).

`python -m experiments.parabola` trains for 10,000 train steps, in a few seconds on two 2.5 GHz CPU cores;
`--preset tuned` paints better curves in the same steps. `--seeds 64` trains 64 generators at once, to see how much of a
result is luck.
"""

import dataclasses
import json
from functools import partial
from pathlib import Path
from typing import ClassVar, Literal

import jax
import numpy as np
import optax
from flax import linen as nn
from rich.console import Console

from jaxgan import GAN, GANState, losses, make_gan, models, optimizers, priors
from jaxgan._io import write_atomic
from jaxgan.data.parabola import LOWER, POINTS, UPPER, parabola_source, parabolas
from jaxgan.diagnostics.probes import make_sample_probe
from jaxgan.distributed.multihost import is_primary_process
from jaxgan.evaluation.samples import measure_samples
from jaxgan.evaluation.tables import format_mean_sem
from jaxgan.metrics import parabola
from jaxgan.plotting import figures
from jaxgan.plotting.callbacks import make_plot_callback
from jaxgan.runs.command_line import exit_on_error, parse_cli
from jaxgan.runs.config import PRECISIONS, RunConfig
from jaxgan.runs.console import print_line
from jaxgan.runs.runner import run_training
from jaxgan.runs.runtime import configure_jax

JUDGED = 10_000
PROBED = 1_000


@dataclasses.dataclass(frozen=True, kw_only=True)
class Config(RunConfig):
    """The documented run."""

    preset: Literal["faithful", "tuned"] = "faithful"
    """faithful: the settings of the tutorial, whose players move at the same time. tuned: what paints best."""
    workdir: Path = Path("runs/parabola")
    steps: int | None = 10_000
    batch_size: int = 64
    order: Literal["d_first", "g_first", "simultaneous"] = "simultaneous"
    block: int = 500
    live: bool = False
    """Show each new picture in a window, where there is a display."""
    loss: Literal["minimax", "non_saturating"] = "minimax"
    """What the generator minimises."""
    learning_rate: float = 1e-4
    """Adam's, for both networks."""
    b1: float = 0.9
    """Adam's momentum."""
    b2: float = 0.999
    """Adam's memory of squared gradients."""
    decay_steps: int | None = None
    """Train steps in which the learning rate falls to 0, by the same amount in each. Unset: it stays."""
    noise: int = 5
    """Numbers that a painting is made of, independent and normal."""

    seconds_per_step: ClassVar[float] = 0.0003
    one_core: ClassVar = True
    presets: ClassVar = {
        "tuned": {
            "loss": "non_saturating",
            "learning_rate": 1e-3,
            "b1": 0.0,
            "b2": 0.9,
            "decay_steps": 10_000,
        }
    }


def build(config: Config) -> GAN:
    """The two players of the settings."""
    dtypes = PRECISIONS[config.precision]
    rate = config.learning_rate
    if config.decay_steps is not None:
        rate = optax.linear_schedule(config.learning_rate, 0.0, config.decay_steps)
    return make_gan(
        generator=models.MLPGenerator(
            shape=(15,), widths=(128,), last_hidden=nn.relu, output=jax.nn.identity, **dtypes
        ),
        discriminator=models.MLPDiscriminator(widths=(128,), hidden=nn.relu, **dtypes),
        loss={"minimax": losses.minimax, "non_saturating": losses.non_saturating}[config.loss],
        d_tx=optimizers.adam(rate, config.b1, config.b2),
        g_tx=optimizers.adam(rate, config.b1, config.b2),
        prior=priors.normal(config.noise),
    )


def main() -> None:
    """Trains as the command line says, then judges what has been learned."""
    with exit_on_error():
        config = parse_cli(Config)
        configure_jax(config)
        gan = build(config)
        show = (
            figures.live_window(config.workdir.name)
            if config.live and is_primary_process()
            else None
        )
        if config.live and show is None and is_primary_process():
            print_line(
                Console(),
                "No window: there is no display, or matplotlib has no interactive backend for it.",
            )
        real = parabolas(np.linspace(LOWER, UPPER, PROBED))
        state = run_training(
            config,
            gan,
            parabola_source(config.batch_size),
            data={"name": "parabola", "shape": [len(POINTS)]},
            probe=make_sample_probe(gan, real, PROBED, measure),
            drawer=partial(
                make_plot_callback,
                save=figures.save_parabola_samples,
                animation="parabola.gif",
                show=show,
            ),
        )
        conclude(config, gan, state)


def measure(samples: jax.Array) -> dict[str, jax.Array]:
    """How far `[N, 15]` are from the artist's paintings."""
    return parabola.parabola_distance(samples)._asdict()


def conclude(config: Config, gan: GAN, state: GANState) -> None:
    """Measures 10,000 paintings of each generator, says how they are, and keeps the figures in distance.json."""
    figures = measure_samples(gan, state, JUDGED, measure, seed=config.seed, seeds=config.seeds)
    floor = parabola.expected_w2_squared(JUDGED)
    kept = {"samples": JUDGED, "floor": floor} | {name: x.tolist() for name, x in figures.items()}
    write_atomic(config.workdir / "distance.json", (json.dumps(kept, indent=2) + "\n").encode())
    print_line(Console(), describe(figures, floor))


def describe(figures: dict[str, np.ndarray], floor: float) -> str:
    """How the paintings of all generators are, `[seeds]` each."""
    values = np.asarray(figures["w2_squared"], np.float64)
    num = len(values)
    mean = format_mean_sem(values, 4)
    if num > 1:
        mean += (
            f" (mean and standard error of {num} seeds, {values.min():.4f} to {values.max():.4f})"
        )
    low, high = float(np.min(figures["a_min"])), float(np.max(figures["a_max"]))
    return (
        f"W2² to the artist's paintings, over {JUDGED:,} samples: {mean}; perfect ones have {floor:.4f}.\n"
        f"Off the curves: {np.mean(figures['off_curve']):.4f} of it. a from {low:.2f} to {high:.2f}; the artist's is "
        "from 1 to 2."
    )


if __name__ == "__main__":
    main()
