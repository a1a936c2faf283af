"""TODO."""

import importlib
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp

from jaxgan.distributed.sharding import select_member
from jaxgan.errors import CheckpointError, ConfigError, CorruptCheckpointError
from jaxgan.gan import GAN
from jaxgan.runs.config import config_from_json
from jaxgan.runs.run_dir import read_config
from jaxgan.runs.runtime import configure_jax
from jaxgan.states import GANState
from jaxgan.training.checkpoints import Checkpoints


class Run(NamedTuple):
    """A folder that has become a GAN again.

    Attributes:
      gan: as the experiment's `build` makes it of the settings.
      state: of the checkpoint.
      step: the train step it is at.
      record: config.json.
    """

    gan: GAN
    state: GANState
    step: int
    record: dict[str, Any]


def run_title(record: dict[str, Any]) -> str:
    """What to call a run in its pictures: the system, its preset and the data."""
    system, data = record["experiment"].rpartition(".")[-1], record["data"]["name"]
    preset = record["config"].get("preset")
    return " · ".join(dict.fromkeys(part for part in (system, preset, data) if part))


def load_run(workdir: Path, step: int | Literal["best"] | None = None, member: int = 0) -> Run:
    """The GAN that a run has trained; needs the folder only, not the data. Sets JAX to the run's precision.

    Args:
      workdir: the folder.
      step: of one of the kept checkpoints; None for the newest, "best" for that with the best scores.
      member: which of the GANs, where the run trained several at once; counted from 0.

    Raises:
      ConfigError: where the folder holds no run.
      CheckpointError: where it has no such checkpoint, or no such member.
    """
    record = read_config(workdir)
    if record is None:
        raise ConfigError(f"{workdir} holds no run: there is no config.json")
    try:
        module = importlib.import_module(record["experiment"])
        config, build = module.Config, module.build
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"{workdir} was made by {record['experiment']}, which cannot be imported here: {error}"
        ) from error
    settings = config_from_json(config, record["config"])
    configure_jax(settings)
    gan = build(settings)
    seeds = record["config"].get("seeds")
    if not 0 <= member < (seeds or 1):
        raise CheckpointError(
            f"{workdir} has members 0 to {(seeds or 1) - 1}, there is no member {member}"
        )
    real = jax.ShapeDtypeStruct((1, *record["data"]["shape"]), jnp.float32)
    with Checkpoints(workdir / "checkpoints") as checkpoints:
        if not checkpoints.all_steps:
            raise CheckpointError(f"{workdir} has no checkpoint yet; train it first")
        step = (
            checkpoints.all_steps[-1]
            if step is None
            else checkpoints.best_step
            if step == "best"
            else step
        )
        if step is None:
            raise CheckpointError(
                f"{workdir} has no checkpoint with scores; train with --evaluate-every"
            )
        like = jax.eval_shape(gan.init, jax.random.key(0), real)
        if seeds is not None:
            like = jax.tree.map(lambda x: jax.ShapeDtypeStruct((seeds, *x.shape), x.dtype), like)
        try:
            state, _ = checkpoints.restore(step, like)
        except CorruptCheckpointError as error:
            raise CorruptCheckpointError(
                f"{error}. The checkpoints are of steps {checkpoints.all_steps}; try another"
            ) from error
    if seeds is not None:
        state = select_member(state, member)
    return Run(gan, state, step, record)
