import jax
import jax.numpy as jnp
import pytest

from jaxgan.errors import CheckpointError
from jaxgan.training.checkpoints import Checkpoints, LatestAndBest, select_best_step


def test_checkpoints_keeps_the_latest(tmp_path):
    with Checkpoints(tmp_path / "c", keep=2) as checkpoints:
        for step in (1, 5, 10, 11):
            checkpoints.save(step, {"x": jnp.arange(step)}, {})
        assert checkpoints.all_steps == [10, 11]
    message = r"has no checkpoint of step 5; give one of the existing steps: \[10, 11\]"
    with Checkpoints(str(tmp_path / "c"), keep=2) as checkpoints:
        assert checkpoints.all_steps == [10, 11]
        with pytest.raises(CheckpointError, match=message):
            checkpoints.restore(5, {"x": jax.ShapeDtypeStruct((5,), jnp.int32)})


def test_checkpoints_keeps_the_best_with_the_latest(tmp_path):
    with Checkpoints(tmp_path / "c", keep=2) as checkpoints:
        assert checkpoints.best_step is None
        for step, value in ((1, 3.0), (2, 1.0), (3, None), (4, 2.0), (5, None)):
            scores = None if value is None else {"z": value, "a": -value}
            checkpoints.save(step, {"x": jnp.arange(3)}, {}, scores)
        assert checkpoints.all_steps == [2, 4, 5]
    with Checkpoints(tmp_path / "c", keep=2) as checkpoints:
        assert checkpoints.best_step == 2


def test_checkpoints_best_step_is_not_one_whose_score_is_nan(tmp_path):
    with Checkpoints(tmp_path / "c", keep=1) as checkpoints:
        for step, value in ((1, float("nan")), (2, 1.0), (3, float("nan")), (4, 2.0)):
            checkpoints.save(step, {"x": jnp.arange(3)}, {}, {"score": value})
        assert checkpoints.all_steps == [2, 4]
        assert checkpoints.best_step == 2


def test_checkpoints_keep_every_keeps_multiples_with_the_latest_and_the_best(tmp_path):
    with Checkpoints(tmp_path / "c", keep=1, keep_every=4) as checkpoints:
        for step in (2, 3, 4, 6, 8, 9, 10):
            checkpoints.save(step, {"x": jnp.arange(3)}, {}, {"score": abs(step - 3.0)})
        assert checkpoints.all_steps == [3, 4, 8, 10]


def test_latest_and_best_preserves_the_latest_and_the_best():
    class Info:
        def __init__(self, step):
            self.step = step

    scores = {1: None, 2: -1.0, 3: -2.0, 4: None}
    policy = LatestAndBest(1, None, scores.get)
    kept = policy.should_preserve([Info(step) for step in scores], context=None)
    assert kept == [False, True, False, True]


def test_select_best_step_prefers_the_later_of_equal_values():
    assert select_best_step([1, 2, 3], {1: 5.0, 2: 5.0, 3: 4.0}.get) == 2
    assert select_best_step([1, 2], {}.get) is None
