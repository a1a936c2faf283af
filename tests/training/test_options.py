import dataclasses
import json
import re
from pathlib import Path
from typing import Literal

import numpy as np
import pytest

from jaxgan.errors import ConfigError
from jaxgan.training.options import (
    MAX_SEED,
    MAX_STEPS,
    LoopOptions,
    TrainOptions,
    check_ranges,
    describe_type,
    matches_type,
)

COUNTS = (
    *("num_seeds", "d_steps", "g_steps", "num_devices", "steps_per_block", "keep_every"),
    *("evaluate_every", "steps", "probe_every"),
)


def make_options(**changes):
    return TrainOptions(**({"steps": 10} | changes))


@pytest.mark.parametrize("value", [-1, 0])
@pytest.mark.parametrize("name", COUNTS)
def test_train_options_refuses_counts_below_1(name, value):
    with pytest.raises(ConfigError, match=f"^{name} is {value}, expected at least 1$"):
        make_options(**{name: value})


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        ("steps", 5.0, "steps is 5.0, expected an integer"),
        ("steps", "5", "steps is '5', expected an integer"),
        ("steps", True, "steps is True, expected an integer"),
        ("steps", None, "steps is None, expected an integer"),
        ("steps", np.float32(5), "steps is np.float32(5.0), expected an integer"),
        ("seed", None, "seed is None, expected an integer"),
        ("num_seeds", "4", "num_seeds is '4', expected an integer or None"),
        ("num_seeds", 2.5, "num_seeds is 2.5, expected an integer or None"),
        ("keep_every", "10", "keep_every is '10', expected an integer or None"),
        ("share_noise", 1, "share_noise is 1, expected True or False"),
        ("on_nonfinite", "ignore", "on_nonfinite is 'ignore', expected one of stop, skip"),
        (
            *("update_order", "last"),
            "update_order is 'last', expected one of d_first, g_first, simultaneous, extragradient",
        ),
    ],
)
def test_train_options_refuses_wrong_types_and_choices(name, value, message):
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        make_options(**{name: value})


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seed": -1}, "seed is -1, expected at least 0"),
        ({"seed": 2**40}, "seed is 1,099,511,627,776, expected at most 4,294,967,295"),
        # The last of the seeds SEED, SEED + 1, … must be in the range, too.
        (
            {"seed": MAX_SEED, "num_seeds": 2},
            "seed is 4,294,967,295, expected at most 4,294,967,294",
        ),
        ({"steps": 2**31}, "steps is 2,147,483,648, expected at most 2,147,483,647"),
        ({"g_steps": 1_001}, "g_steps is 1,001, expected at most 1,000"),
        (
            {"steps": 2**30, "d_steps": 4},
            "steps is 1,073,741,824 with 4 batches each, expected at most 536,870,911; "
            "train for fewer steps",
        ),
    ],
)
def test_train_options_refuses_numbers_out_of_range(options, message):
    with pytest.raises(ConfigError, match=f"^{re.escape(message)}$"):
        make_options(**options)


def test_train_options_accepts_the_bounds():
    options = make_options(steps=MAX_STEPS, seed=MAX_SEED, num_seeds=1)
    assert (options.steps, options.seed) == (2**31 - 1, 2**32 - 1)
    assert make_options(seed=0).seed == 0


@pytest.mark.parametrize("dtype", [np.int32, np.uint8, np.int64])
def test_train_options_stores_numpy_integers_as_int(dtype):
    options = make_options(steps=dtype(7), seed=dtype(3), num_seeds=dtype(2), keep_every=dtype(5))
    values = (options.steps, options.seed, options.num_seeds, options.keep_every)
    assert values == (7, 3, 2, 5)
    assert all(type(value) is int for value in values)
    json.dumps(dataclasses.asdict(options))


def test_train_options_needs_steps_and_keywords():
    with pytest.raises(TypeError, match="steps"):
        TrainOptions()
    with pytest.raises(TypeError, match="positional"):
        TrainOptions(0)


def test_train_options_is_immutable():
    with pytest.raises(dataclasses.FrozenInstanceError):
        make_options().steps = 3


def test_train_options_evaluates_every_epoch_and_loop_options_never_by_default():
    assert make_options().evaluate_every == 1
    assert LoopOptions().evaluate_every is None


@dataclasses.dataclass(frozen=True)
class FloatOptions:
    rate: float
    half_life: float | None = None


def test_check_ranges_accepts_finite_floats_of_at_least_0():
    check_ranges(FloatOptions(0.0))
    check_ranges(FloatOptions(1e-4, 500.0))
    check_ranges(FloatOptions(0, 500))  # not counts, so 0 is allowed


@pytest.mark.parametrize("value", [-1, -0.1, float("nan"), float("inf"), np.float32("nan")])
def test_check_ranges_refuses_negative_and_nonfinite_floats(value):
    message = f"{float(value)}, expected a finite number of at least 0"
    with pytest.raises(ConfigError, match=f"rate is {message}"):
        check_ranges(FloatOptions(value))
    with pytest.raises(ConfigError, match=f"half_life is {message}"):
        check_ranges(FloatOptions(1.0, value))


@pytest.mark.parametrize(
    ("value", "hint", "expected"),
    [
        (1, int, True),
        (np.int64(1), int, True),
        (True, int, False),
        (1.0, int, False),
        (1, float, True),
        (np.float32(1), float, True),
        (True, float, False),
        ("1", float, False),
        (True, bool, True),
        (1, bool, False),
        (None, int | None, True),
        ("x", int | None, False),
        ("stop", Literal["stop", "skip"], True),
        ("go", Literal["stop", "skip"], False),
        ((1, 2), tuple[int, ...], True),
        ((1, "2"), tuple[int, ...], False),
        ([1, 2], tuple[int, ...], False),
        ("runs/x", Path, True),
        (Path("runs/x"), Path, True),
        (3, Path, False),
    ],
)
def test_matches_type_compares_a_value_to_an_annotation(value, hint, expected):
    assert matches_type(value, hint) is expected


@pytest.mark.parametrize(
    ("hint", "expected"),
    [
        (int, "an integer"),
        (float | None, "a number or None"),
        (bool, "True or False"),
        (Literal["stop", "skip"], "one of stop, skip"),
        (str | None, "str or None"),
        (tuple[Literal["color", "flip"], ...], "a tuple, each item one of color, flip"),
    ],
)
def test_describe_type_is_readable(hint, expected):
    assert describe_type(hint) == expected
