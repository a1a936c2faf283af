import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan.errors import ConfigError
from jaxgan.training import metric_log
from jaxgan.training.callbacks import Callbacks
from jaxgan.training.checkpoints import Checkpoints
from jaxgan.training.loop import train
from jaxgan.training.options import TrainOptions
from tests.helpers.networks import assert_same_bits, tiny_gan, tiny_source

SOURCE = tiny_source()  # 5 train steps per epoch
GAN = tiny_gan(ema_half_life=100.0)


def run(workdir, steps, *, steps_per_block=3, options=(), **callbacks):
    """Trains with the given callbacks, silently by default; `options` are those of the loop."""
    options = TrainOptions(steps=steps, steps_per_block=steps_per_block, **dict(options))
    return train(GAN, SOURCE, workdir, options, Callbacks(**({"progress": None} | callbacks)))


def saved_steps(workdir):
    with Checkpoints(workdir / "checkpoints") as checkpoints:
        return checkpoints.all_steps


def logged_steps(path):
    return metric_log.read_columns(path)["step"].tolist()


def measure_mean(state, key):
    samples = GAN.sample(state, key, 4)
    return {"mean": samples.mean(), "first": samples[0, 0, :2, 0]}


def test_draw_gets_the_same_key_at_the_start_after_every_epoch_and_at_the_end(tmp_path):
    calls = []

    def draw(state, key, step):
        calls.append((step, int(state.g.step), tuple(jax.random.key_data(key).tolist())))

    run(tmp_path, 12, draw=draw)
    assert [call[:2] for call in calls] == [(0, 0), (5, 5), (10, 10), (12, 12)]
    assert len({key for _, _, key in calls}) == 1


def test_draw_is_called_at_doubling_steps_of_the_first_epoch(tmp_path):
    steps = []
    options = {"probe_every": 1}
    run(tmp_path, 9, draw=lambda state, key, step: steps.append(step), options=options)
    assert steps == [0, 1, 2, 4, 5, 9]


def test_draw_is_called_after_the_checkpoint_is_saved(tmp_path):
    saved = {}

    def draw(state, key, step):
        names = (path.name for path in (tmp_path / "checkpoints").iterdir())
        saved[step] = sorted(map(int, names))

    run(tmp_path, 7, draw=draw)
    assert saved == {0: [], 5: [5], 7: [5, 7]}


def test_draw_that_raises_is_logged_and_training_goes_on(tmp_path):
    def draw(state, key, step):
        if step == 10:
            raise OSError("no space left")

    messages = []
    state, step = run(tmp_path / "failed", 12, draw=draw, log=messages.append)
    failures = [text for text in messages if text.startswith("Drawing")]
    assert failures == ["Drawing step 10 failed, but training continues: OSError: no space left"]
    assert step == 12
    assert saved_steps(tmp_path / "failed") == [10, 12]
    assert_same_bits(state, run(tmp_path / "undrawn", 12)[0])


def test_draw_is_repeated_on_resume_if_an_epoch_or_the_run_ended_there(tmp_path):
    drawn = []

    def draw(state, key, step):
        drawn.append((step, int(state.g.step)))

    def resume(steps):
        drawn.clear()
        run(tmp_path, steps, draw=draw)
        return drawn.copy()

    assert resume(5) == [(0, 0), (5, 5)]
    assert resume(7) == [(5, 5), (7, 7)]
    assert resume(7) == [(7, 7)]
    assert resume(10) == [(10, 10)]  # step 7 is not the end of an epoch, nor of this run


def test_evaluate_is_logged_and_keeps_the_best_checkpoint(tmp_path):
    keys = set()

    def evaluate(state, key):
        keys.add(tuple(jax.random.key_data(key).tolist()))
        # The first score selects the checkpoint, not the first in the alphabet.
        return {"z": abs(float(state.g.step) - 10), "a": 0.0}

    run(tmp_path, 23, evaluate=evaluate, options={"evaluate_every": 2})
    scores = metric_log.read_columns(tmp_path / "scores.jsonl")
    assert scores["step"].tolist() == [10, 20, 23]
    assert scores["z"].tolist() == [0, 10, 13]
    assert len(keys) == 1
    assert saved_steps(tmp_path) == [10, 20, 23]
    with Checkpoints(tmp_path / "checkpoints") as checkpoints:
        assert checkpoints.best_step == 10


def test_evaluate_every_none_evaluates_only_at_the_end(tmp_path):
    def evaluate(state, key):
        return {"score": float(state.g.step)}

    run(tmp_path, 11, evaluate=evaluate, options={"evaluate_every": None})
    assert logged_steps(tmp_path / "scores.jsonl") == [11]


def test_evaluate_that_raises_stops_the_run_after_the_checkpoint_is_saved(tmp_path):
    drawn = []

    def evaluate(state, key):
        if state.g.step == 10:
            raise ZeroDivisionError("no samples")
        return {"score": 1.0}

    def draw(state, key, step):
        drawn.append(step)

    with pytest.raises(ZeroDivisionError, match="no samples"):
        run(tmp_path / "failed", 15, evaluate=evaluate, draw=draw)
    assert saved_steps(tmp_path / "failed") == [5, 10]
    assert drawn == [0, 5]
    assert logged_steps(tmp_path / "failed" / "scores.jsonl") == [5]
    state, _ = run(tmp_path / "failed", 15)
    assert_same_bits(state, run(tmp_path / "whole", 15)[0])


@pytest.mark.parametrize("number", [jnp.float32, np.float32, np.int64, jnp.asarray])
def test_evaluate_may_return_scalars_of_numpy_and_jax(tmp_path, number):
    run(tmp_path, 5, evaluate=lambda state, key: {"score": number(2)})
    assert metric_log.read_columns(tmp_path / "scores.jsonl")["score"].tolist() == [2.0]
    with Checkpoints(tmp_path / "checkpoints") as checkpoints:
        assert checkpoints.best_step == 5


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (None, "evaluate returned None, expected a dict such as"),
        (0.5, "evaluate returned 0.5, expected a dict such as"),
        ({"score": "low"}, "evaluate returned {'score': 'low'}, expected"),
        ({"score": [1.0, 2.0]}, r"evaluate returned {'score': \[1.0, 2.0\]}, expected"),
        ({"step": 1.0}, "evaluate returned a value named 'step'"),
    ],
)
def test_evaluate_that_returns_no_scores_raises_after_the_checkpoint(tmp_path, returned, message):
    with pytest.raises(ConfigError, match=message):
        run(tmp_path, 10, evaluate=lambda state, key: returned)
    assert saved_steps(tmp_path) == [5]
    assert not (tmp_path / "scores.jsonl").exists()


@pytest.mark.parametrize(
    ("returned", "message"),
    [
        (None, "probe returned None, expected a dict such as"),
        ({"mean": {"of_all": 1.0}}, "probe returned .*, expected a dict such as"),
        ({"mean": 1j}, r"probe returned .* \(a value is complex\)"),
        ({"step": 1.0}, "probe returned a value named 'step'"),
    ],
)
def test_probe_that_returns_no_numbers_raises_before_the_first_step(tmp_path, returned, message):
    with pytest.raises(ConfigError, match=message):
        run(tmp_path, 5, probe=lambda state, key: returned)
    assert not (tmp_path / "metrics.jsonl").exists()


def test_probe_that_raises_stops_the_run_after_the_checkpoint_is_saved(tmp_path):
    def probe(state, key):
        raise ZeroDivisionError("no samples")

    run(tmp_path, 6)
    with pytest.raises(ZeroDivisionError, match="no samples"):
        run(tmp_path, 15, probe=probe)
    assert saved_steps(tmp_path) == [6, 10]


def test_probe_that_raises_at_the_start_stops_the_run_before_the_first_step(tmp_path):
    def probe(state, key):
        raise ZeroDivisionError("no samples")

    with pytest.raises(ZeroDivisionError, match="no samples"):
        run(tmp_path, 5, probe=probe)
    assert not (tmp_path / "metrics.jsonl").exists()
    assert saved_steps(tmp_path) == []


@pytest.mark.parametrize("stops", [pytest.param((7,), marks=pytest.mark.stress), (3, 9)])
def test_probe_values_do_not_depend_on_blocks_and_stops(tmp_path, stops):
    for workdir, ends, length in (("whole", (13,), 3), ("parts", (*stops, 13), 2)):
        for steps in ends:
            run(
                tmp_path / workdir,
                steps,
                steps_per_block=length,
                options={"probe_every": 2},
                probe=measure_mean,
            )
    whole, parts = ((tmp_path / name / "probes.jsonl").read_text() for name in ("whole", "parts"))
    assert whole == parts
    probes = metric_log.read_columns(tmp_path / "whole" / "probes.jsonl")
    assert probes["step"].tolist() == [0, 2, 4, 5, 7, 9, 10, 12]
    assert probes["first"].shape == (8, 2)
    assert len(set(probes["mean"])) == 8


def test_progress_is_reported_after_every_block_with_the_latest_scores(tmp_path):
    reports = []

    def evaluate(state, key):
        return {"score": float(state.g.step)}

    run(tmp_path, 7, progress=reports.append, evaluate=evaluate)
    assert [report.step for report in reports] == [3, 5, 7]
    assert {(report.steps, report.steps_per_epoch) for report in reports} == {(7, 5)}
    assert [report.scores for report in reports] == [{}, {"score": 5.0}, {"score": 7.0}]
    assert all(report.steps_per_second > 0 for report in reports)
    losses = metric_log.read_columns(tmp_path / "metrics.jsonl")["d_loss"]
    assert [report.metrics["d_loss"] for report in reports] == losses[[2, 4, 6]].tolist()


def test_progress_none_is_silent(tmp_path, capfd):
    run(tmp_path, 5, progress=None, log=lambda text: None)
    assert capfd.readouterr() == ("", "")


def test_callbacks_print_lines_of_progress_by_default(tmp_path, capfd):
    train(GAN, SOURCE, tmp_path, TrainOptions(steps=7, steps_per_block=100))
    lines = capfd.readouterr().out.splitlines()
    first, last = (line for line in lines if "steps/s" in line)
    assert first.startswith("epoch 1/2  step 5/7  ")
    assert last.startswith("epoch 2/2  step 7/7  ")
    assert "steps/s  0:00:00 left  loss D " in last


def test_callbacks_log_receives_messages_about_corrupt_checkpoints(tmp_path):
    run(tmp_path, 6)
    (tmp_path / "checkpoints" / "6" / "meta" / "metadata").write_text("{}")
    messages = []
    run(tmp_path, 6, log=messages.append)
    (message,) = (text for text in messages if "corrupt" in text)
    assert "checkpoints/6 is corrupt" in message
    assert f"moved to {tmp_path}/quarantine/6" in message
    assert saved_steps(tmp_path) == [5, 6]


@pytest.mark.parametrize(
    ("callbacks", "message"),
    [
        ({"probe": lambda state: {}}, r"probe is <lambda>, expected a function of \(state, key\)"),
        ({"evaluate": {"score": 1.0}}, "evaluate is {'score': 1.0}, expected a function of"),
        ({"draw": lambda state, key: None}, r"expected a function of \(state, key, step\)"),
        ({"progress": True}, "progress is True, expected a function of"),
        ({"log": lambda: None}, r"log is <lambda>, expected a function of \(text\)"),
    ],
)
def test_callbacks_raise_if_they_cannot_be_called(callbacks, message):
    with pytest.raises(ConfigError, match=message):
        Callbacks(**callbacks)
