"""Draws the eigenvalues of the Jacobian of both gradients at the checkpoints of a run.

Arnoldi's method approximates the outer eigenvalues λ of the Jacobian, preconditioned by the factors
of Adam or RMSprop, on one large batch. Every ηλ, where η is the learning rate, is drawn with the
region in which a step contracts; a printed summary interprets those of the last checkpoint.
Training circles along eigenvalues with a large imaginary part, and leaves the point along those
with a negative real part. The summary names the settings for which the region does not account.
Train with --keep-every to keep several checkpoints; those that cannot be analyzed are left out.
Writes stability.gif, stability.png (three of the checkpoints) and stability.json to the run's
directory.
"""

import dataclasses
import tempfile
from pathlib import Path

import jax
import numpy as np
import tyro

from jaxgan import dynamics
from jaxgan._io import write_json
from jaxgan.cli.loading import load_run_with_precision
from jaxgan.data.image_datasets import DEFAULT_DATA_DIR
from jaxgan.errors import CheckpointError
from jaxgan.gan import GAN
from jaxgan.plotting.dynamics import save_spectrum
from jaxgan.plotting.images import save_gif, save_side_by_side
from jaxgan.plotting.sample_files import evenly_spaced
from jaxgan.runs.console import print_line
from jaxgan.runs.loading import load_run
from jaxgan.runs.stability import (
    RESIDUAL_TOLERANCE,
    CheckpointStability,
    UpdateRule,
    load_batch,
    make_analysis,
    read_update_rule,
    summarize,
)
from jaxgan.states import GANState
from jaxgan.training.checkpoints import Checkpoints
from jaxgan.training.config_file import run_title
from jaxgan.training.options import check_ranges

NUM_PANELS = 3


@dataclasses.dataclass(frozen=True)
class Config:
    """Options of `jaxgan stability`."""

    workdir: tyro.conf.Positional[Path]
    """Directory of the run."""
    num: int = 512
    """Number of real samples in the batch."""
    num_matvecs: int = 60
    """Number of products with the Jacobian per checkpoint, and of approximate eigenvalues."""
    max_checkpoints: int = 12
    """Maximum number of checkpoints, evenly spaced among those that the run kept."""
    seed: int = 0
    """Seed of the batch and of the latent noise."""
    member: int = 0
    """Index of the GAN in a run with --num-seeds, from 0."""
    data_dir: Path = DEFAULT_DATA_DIR
    """Directory of the prepared data sets."""

    def __post_init__(self):
        """Raises ConfigError at the first option that is invalid."""
        check_ranges(self)


def run(config: Config) -> None:
    """Analyzes the checkpoints, writes the files and prints a summary."""
    loaded = load_run_with_precision(config.workdir, None, config.member)
    rule = read_update_rule(loaded.config)
    data_key, key = jax.random.split(jax.random.key(config.seed))
    real, condition = load_batch(loaded.config, config.data_dir, config.num, data_key)
    analyze = make_analysis(loaded.gan, rule, config.num_matvecs)
    found = []
    for step in list_steps(config.workdir, config.max_checkpoints):
        state = load_state(config, step, loaded.gan)
        if state is None:
            continue
        rate = rule.rate_at(step)
        *projection, rotation, norm = jax.device_get(
            analyze(state, real, jax.random.clone(key), condition, rate)
        )
        if not np.isfinite(projection[0]).all():
            print_line(f"step {step:,} is left out: its Jacobian is not finite, or 0")
            continue
        spectrum = dynamics.ritz_spectrum(*projection)
        found.append(CheckpointStability(step, rate, spectrum, float(rotation), float(norm)))
        print_line(f"step {step:,}: largest modulus {abs(spectrum.dominant):.3g}")
    if not found:
        raise CheckpointError(f"{config.workdir} has no checkpoint that can be analyzed")
    write_records(config.workdir, found)
    draw(config.workdir, found, rule, run_title(loaded.config))
    print_line(summarize(found, rule))
    print_line(f"Eigenvalues by checkpoint: {config.workdir / 'stability.gif'}")


def list_steps(workdir: Path, num: int) -> list[int]:
    """Returns the train steps of at most `num` evenly spaced checkpoints, with the latest."""
    with Checkpoints(workdir / "checkpoints") as checkpoints:
        steps = checkpoints.all_steps
    return steps[-1:] if num == 1 else evenly_spaced(steps, num)


def load_state(config: Config, step: int, gan: GAN) -> GANState | None:
    """Returns the state of a checkpoint; None, after a message, if it cannot be read."""
    try:
        return load_run(config.workdir, step, member=config.member, gan=gan).state
    except CheckpointError as error:
        print_line(f"step {step:,} is left out: {error}")
        return None


def write_records(workdir: Path, found: list[CheckpointStability]) -> None:
    """Writes stability.json."""
    records = [
        {
            "step": each.step,
            "learning_rate": each.rate,
            "eigenvalues": [[v.real, v.imag] for v in each.spectrum.eigenvalues.tolist()],
            "residuals": each.spectrum.residuals.tolist(),
            "rotation": each.rotation,
            "field_norm": each.field_norm,
        }
        for each in found
    ]
    write_json(workdir / "stability.json", records)


def draw(workdir: Path, found: list[CheckpointStability], rule: UpdateRule, title: str) -> None:
    """Writes stability.gif and stability.png, with the same axes in all frames."""
    products = [each.rate * each.spectrum.eigenvalues for each in found]
    every = np.concatenate(products)
    width = max(np.ptp(every.real), np.abs(every.imag).max(), 1e-6)
    limits = (
        min(float(every.real.min()), 0.0) - 0.1 * width,
        float(every.real.max()) + 0.1 * width,
        1.2 * max(float(np.abs(every.imag).max()), 0.1 * width),
    )
    with tempfile.TemporaryDirectory() as folder:
        frames = [Path(folder) / f"{i}.png" for i in range(len(found))]
        for path, each, values in zip(frames, found, products, strict=True):
            tolerance = RESIDUAL_TOLERANCE * np.abs(each.spectrum.eigenvalues).max()
            caption = (
                f"{title} · step {each.step:,}\n{rule.describe()}, learning rate {each.rate:.2g}; "
                "shaded: a step contracts"
            )
            converged = each.spectrum.residuals <= tolerance
            save_spectrum(path, values, converged, rule.factors, limits, caption)
        save_gif(workdir / "stability.gif", frames)
        save_side_by_side(workdir / "stability.png", evenly_spaced(frames, NUM_PANELS))
