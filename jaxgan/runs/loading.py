"""Loads a run from its directory: the GAN, a checkpoint, and samples."""

import importlib
import os
from pathlib import Path
from typing import Any, Literal, NamedTuple

import jax

from jaxgan._checks import check_instance, check_integers
from jaxgan.data.classes import check_class_indices, draw_condition
from jaxgan.distributed.sharding import select_member
from jaxgan.errors import CheckpointError, ConfigError, CorruptCheckpointError
from jaxgan.gan import GAN
from jaxgan.runs.config import config_from_json
from jaxgan.states import GANState
from jaxgan.training.checkpoints import Checkpoints
from jaxgan.training.config_file import read_config


class Run(NamedTuple):
    """A run that was loaded from its directory.

    Attributes:
      gan: The GAN.
      state: The state of the checkpoint.
      step: The train step of the checkpoint.
      config: The content of config.json.
    """

    gan: GAN
    state: GANState
    step: int
    config: dict[str, Any]

    @property
    def class_names(self) -> tuple[str, ...] | None:
        """The names of classes 0 to K - 1 if the run was trained with --conditional, else None."""
        data = self.config.get("data", {})
        return tuple(data["class_names"]) if "class_counts" in data else None

    def sample(
        self, key: jax.Array, num: int, condition: jax.typing.ArrayLike | None = None
    ) -> jax.Array:
        """Returns samples of the generator, or of its moving average if the run keeps one.

        Args:
          key: A typed PRNG key, which is consumed.
          num: Number of samples.
          condition: `[num, …]` if the GAN is conditional, for example class indices `[num]`. None
            draws the classes of a run with --conditional by their frequency in the training data.

        Returns:
          `[num, …]`, in the range of the generator's output.

        Raises:
          ConfigError: If a class index is out of range.
          ShapeError: If a condition is given to an unconditional GAN, or is missing.
        """
        if condition is None:
            class_counts = self.config.get("data", {}).get("class_counts")
            key, condition = draw_condition(key, class_counts, num)
        elif self.class_names is not None:
            check_class_indices(condition, self.class_names)
        return self.gan.sample(self.state, key, num, condition)


def load_run(
    workdir: str | os.PathLike[str],
    step: int | Literal["best"] | None = None,
    *,
    member: int = 0,
    gan: GAN | None = None,
) -> Run:
    """Loads a run from its directory, without its data. Does not change the configuration of JAX.

    Args:
      workdir: Directory of the run.
      step: Train step of a checkpoint; None for the latest, "best" for the one with the best
        scores.
      member: Index of the GAN in a run with `num_seeds`, from 0.
      gan: The GAN. None rebuilds it with the experiment module that config.json names, which must
        be importable and have `Config` and `build`. Required if the run was trained by
        `jaxgan.train` from your own code.

    Raises:
      ConfigError: If an argument is of the wrong type, the directory contains no run, the GAN
        cannot be rebuilt, or the run needs 64-bit types that are not enabled.
      CheckpointError: If there is no such checkpoint or member, the checkpoint is corrupt, or it
        does not fit the GAN.
    """
    if gan is not None:
        check_instance("gan", gan, GAN)
    workdir = Path(workdir)
    config = read_config(workdir)
    if config is None:
        raise ConfigError(f"{workdir} contains no run: it has no config.json; check the path")
    if "train" not in config:
        raise CheckpointError(f"{workdir} has no checkpoint yet; train it first")
    if config["train"]["x64"] and not jax.config.jax_enable_x64:  # pyright: ignore[reportAttributeAccessIssue]
        raise ConfigError(
            f"{workdir} was trained with 64-bit types, which are not enabled; run "
            'jax.config.update("jax_enable_x64", True) first'
        )
    gan = rebuild_gan(workdir, config) if gan is None else gan
    num_seeds = config["train"]["options"]["num_seeds"]
    check_member(workdir, member, num_seeds)
    state, step = restore_state(workdir, step, state_shapes(gan, config["train"]))
    if num_seeds is not None:
        state = select_member(state, member)
    return Run(gan, state, step, config)


def rebuild_gan(workdir: Path, config: dict[str, Any]) -> GAN:
    """Returns the GAN that the experiment module of a run builds from its configuration."""
    hint = f'load it in Python with its GAN: jaxgan.load_run("{workdir}", gan=…)'
    if "experiment" not in config:
        raise ConfigError(
            f"{workdir} was trained by jaxgan.train, so its GAN cannot be rebuilt; {hint}"
        )
    name = config["experiment"]
    try:
        module = importlib.import_module(name)
        config_type, build = module.Config, module.build
    except (ImportError, AttributeError) as error:
        raise ConfigError(
            f"{workdir} was trained by the module {name}, which cannot be used here ({error}); "
            f"run from the directory of the module, or {hint}"
        ) from error
    return build(config_from_json(config_type, config["config"]))


def check_member(workdir: Path, member: int, num_seeds: int | None) -> None:
    """Raises CheckpointError if a run has no such member, ConfigError if it is not an integer."""
    check_integers(member=member)
    if num_seeds is None and member != 0:
        raise CheckpointError(f"{workdir} trained a single GAN; leave out member {member}")
    if not 0 <= member < (num_seeds or 1):
        raise CheckpointError(
            f"{workdir} has members 0 to {(num_seeds or 1) - 1}, not {member}; give one of these"
        )


def state_shapes(gan: GAN, record: dict[str, Any]) -> GANState:
    """Returns the shapes of a run's state, from the section "train" of its config.json."""
    batch = [
        None if array is None else jax.ShapeDtypeStruct((1, *array["shape"][1:]), array["dtype"])
        for array in (record["batch"]["real"], record["batch"]["condition"])
    ]
    shapes = jax.eval_shape(gan.init, jax.random.key(0), *batch)
    num_seeds = record["options"]["num_seeds"]
    if num_seeds is None:
        return shapes
    return jax.tree.map(lambda x: jax.ShapeDtypeStruct((num_seeds, *x.shape), x.dtype), shapes)


def restore_state(
    workdir: Path, step: int | Literal["best"] | None, like: GANState
) -> tuple[GANState, int]:
    """Returns the state and the train step of a checkpoint; see `load_run`."""
    if not (workdir / "checkpoints").is_dir():
        raise CheckpointError(f"{workdir} has no checkpoint yet; train it first")
    with Checkpoints(workdir / "checkpoints") as checkpoints:
        steps = checkpoints.all_steps
        if not steps:
            raise CheckpointError(f"{workdir} has no checkpoint yet; train it first")
        if step == "best":
            step = checkpoints.best_step
            if step is None:
                raise CheckpointError(
                    f"{workdir} has no checkpoint with scores; train with --evaluate-every"
                )
        step = steps[-1] if step is None else step
        check_integers(step=step)
        try:
            state, _ = checkpoints.restore(step, like)
        except CorruptCheckpointError as error:
            raise CorruptCheckpointError(
                f"{error}. The run has checkpoints of steps {steps}; load another one"
            ) from error
    return state, step
