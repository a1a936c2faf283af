"""The options of the training loop, validated once."""

import dataclasses
import math
import numbers
import types
import typing
from pathlib import Path
from typing import Any, Literal

from jaxgan.errors import ConfigError
from jaxgan.train_step import UpdateOrder

MAX_STEPS = 2**31 - 1  # compiled programs count train steps and batches in int32
MAX_SEED = 2**32 - 1
OPTIONS_FROM_ZERO = ("seed", "member", "process_id")
OPTIONS_ABOVE_ZERO = ("learning_rate", "d_learning_rate", "ema_half_life", "weight_clip")
OPTIONS_BELOW_ONE = ("b2",)
OPTIONS_WITHIN_ONE = ("b1",)  # above -1 and below 1: games can be played with negative momentum
UPPER_BOUNDS = {
    "seed": MAX_SEED,
    "g_layers": 100,  # layers and generator updates are unrolled in the compiled program
    "g_steps": 1_000,
}


@dataclasses.dataclass(frozen=True, kw_only=True)
class LoopOptions:
    """The options that `train` and the command line share.

    Integers are counts of at least 1, except for the seed.

    Raises:
      ConfigError: If an option has the wrong type or is out of its range.
    """

    seed: int = 0
    """Seed of all randomness, from 0 to 4,294,967,295."""
    num_seeds: int | None = None
    """Number of GANs to train at once, with the seeds SEED, SEED + 1, … On CPUs, a multiple of the
    number of cores is fastest. Metrics are means over the GANs; figures show the first. Unset: a
    single GAN."""
    d_steps: int = 1
    """Discriminator updates per train step, each on its own batch."""
    g_steps: int = 1
    """Generator updates per train step, all on the last batch."""
    update_order: UpdateOrder = "d_first"
    """Which network a train step updates first. With simultaneous, neither sees the other's
    update. With extragradient, both are updated by the gradients at an extrapolated state; the
    extrapolation uses the same batch, or a batch of its own with d_steps 2."""
    share_noise: bool = True
    """Whether the first generator update reuses the latent noise of the last discriminator update.
    Otherwise it draws its own."""
    num_devices: int | None = None
    """Number of devices over which each batch, or the seeds, are sharded. Unset: the largest number
    that divides the batch size, or the number of seeds; but one CPU device for a single GAN,
    because XLA already uses all cores."""
    steps_per_block: int = 20
    """Train steps per call of the compiled program, and between two progress reports."""
    keep_every: int | None = None
    """Also save and keep a checkpoint at every multiple of this number of train steps. Unset: only
    the latest checkpoints and the best one are kept."""
    evaluate_every: int | None = None
    """Epochs between evaluations; the best checkpoint is then kept in addition to the latest.
    Unset: no evaluations."""
    on_nonfinite: Literal["stop", "skip"] = "stop"
    """Action on a loss or gradient that is not finite: stop the run, or skip the update. More than
    20 consecutive skipped train steps stop the run."""

    def __post_init__(self):
        """Raises ConfigError at the first option that is invalid."""
        check_ranges(self)


@dataclasses.dataclass(frozen=True, kw_only=True)
class TrainOptions(LoopOptions):
    """The options of `jaxgan.train`; see `LoopOptions` for those inherited.

    Attributes:
      steps: Total number of train steps, including those before a checkpoint that is resumed.
      probe_every: Train steps between probes within an epoch; see `Callbacks.probe`.
      evaluate_every: Epochs between evaluations; see `Callbacks.evaluate`. None evaluates only at
        the end.
      allow_changes: Resume a run even if its data, networks, seed or other options differ. The
        arrays of the state must still have the same names, shapes and dtypes. The differences are
        recorded in config.json.

    Raises:
      ConfigError: If an option has the wrong type or is out of its range.
    """

    steps: int
    probe_every: int = 100
    evaluate_every: int | None = 1
    allow_changes: bool = False

    def __post_init__(self):
        """Raises ConfigError at the first option that is invalid."""
        super().__post_init__()
        if self.steps * self.d_steps > MAX_STEPS:
            raise ConfigError(
                f"steps is {self.steps:,} with {self.d_steps} batches each, expected at most "
                f"{MAX_STEPS // self.d_steps:,}; train for fewer steps"
            )


def check_ranges(options: Any) -> None:
    """Validates the types and ranges of a dataclass of options.

    Integers must be at least 1 (0 for the fields in `OPTIONS_FROM_ZERO`) and at most their bound in
    `UPPER_BOUNDS`, by default `MAX_STEPS`. Floats must be finite and at least 0, above 0 for the
    fields in `OPTIONS_ABOVE_ZERO`, below 1 for those in `OPTIONS_BELOW_ONE`; those in
    `OPTIONS_WITHIN_ONE` must be above -1 and below 1. No seed may exceed `MAX_SEED`.

    Raises:
      ConfigError: At the first field that is invalid; the message names it and its value.
    """
    hints = typing.get_type_hints(type(options))
    for field in dataclasses.fields(options):
        name, value, hint = field.name, getattr(options, field.name), hints[field.name]
        if not matches_type(value, hint):
            raise ConfigError(f"{name} is {value!r}, expected {describe_type(hint)}")
        if isinstance(value, bool) or not isinstance(value, numbers.Real):
            continue
        number: Any = value
        # Stored as Python numbers, because NumPy's cannot be written as JSON.
        if float in (hint, *typing.get_args(hint)):
            object.__setattr__(options, name, float(number))
            check_float(name, float(number))
        else:
            object.__setattr__(options, name, int(number))
            check_integer(name, int(number), UPPER_BOUNDS.get(name, MAX_STEPS))
    if hasattr(options, "seed"):
        num_seeds = getattr(options, "num_seeds", None) or 1
        check_integer("seed", options.seed, MAX_SEED + 1 - num_seeds)


def check_integer(name: str, value: int, upper: int) -> None:
    """Raises ConfigError if an integer option is below its lower or above its upper bound."""
    lower = 0 if name in OPTIONS_FROM_ZERO else 1
    if value < lower:
        raise ConfigError(f"{name} is {value}, expected at least {lower}")
    if value > upper:
        raise ConfigError(f"{name} is {value:,}, expected at most {upper:,}")


def check_float(name: str, value: float) -> None:
    """Raises ConfigError if a floating point option is out of its range."""
    if name in OPTIONS_WITHIN_ONE:
        if not -1 < value < 1:
            raise ConfigError(f"{name} is {value}, expected a number above -1 and below 1")
        return
    if not 0 <= value < math.inf:
        raise ConfigError(f"{name} is {value}, expected a finite number of at least 0")
    if name in OPTIONS_ABOVE_ZERO and value == 0:
        raise ConfigError(f"{name} is 0, expected a number above 0; leave it out for the default")
    if name in OPTIONS_BELOW_ONE and value >= 1:
        raise ConfigError(f"{name} is {value}, expected a number from 0 to less than 1")


def matches_type(value: Any, hint: Any) -> bool:
    """Returns whether a value is of an annotated type: a class, Literal, union or tuple."""
    origin, args = typing.get_origin(hint), typing.get_args(hint)
    if origin is typing.Annotated:
        return matches_type(value, args[0])
    if origin is Literal:
        return value in args
    if origin in (typing.Union, types.UnionType):
        return any(matches_type(value, arg) for arg in args)
    if origin is tuple:
        return isinstance(value, tuple) and all(matches_type(item, args[0]) for item in value)
    if hint in (int, float) and isinstance(value, bool):
        return False
    if hint is int:
        return isinstance(value, numbers.Integral)
    if hint is float:
        return isinstance(value, int | float | numbers.Real)
    return isinstance(value, str | Path if hint is Path else hint)


def describe_type(hint: Any) -> str:
    """Returns a readable name of an annotated type, such as `an integer or None`."""
    args = typing.get_args(hint)
    if typing.get_origin(hint) is Literal:
        return f"one of {', '.join(map(str, args))}"
    if typing.get_origin(hint) is tuple:
        return f"a tuple, each item {describe_type(args[0])}"
    if args:
        return " or ".join(describe_type(arg) for arg in args)
    names = {int: "an integer", float: "a number", bool: "True or False", type(None): "None"}
    return names.get(hint, getattr(hint, "__name__", str(hint)))
