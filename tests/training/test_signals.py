import signal
import threading

import pytest

from jaxgan.training.callbacks import Callbacks
from jaxgan.training.checkpoints import Checkpoints
from jaxgan.training.loop import train
from jaxgan.training.options import TrainOptions
from jaxgan.training.signals import stop_on_signal
from tests.helpers.networks import assert_same_bits, small_gan, tiny_source

SIGNALS = (signal.SIGINT, signal.SIGTERM)


def run(workdir, steps, progress=None):
    options = TrainOptions(steps=steps, steps_per_block=3)
    gan = small_gan(ema_half_life=100.0)
    return train(gan, tiny_source(), workdir, options, Callbacks(progress=progress))


def read_metrics(workdir):
    return (workdir / "metrics.jsonl").read_text()


@pytest.mark.parametrize("signum", SIGNALS)
def test_train_saves_when_interrupted_and_resumes_with_the_same_bits(
    uninterrupted_run, tmp_path, signum
):
    def interrupt(progress):
        if progress.step == 5:
            signal.raise_signal(signum)

    handler = signal.getsignal(signum)
    state, step = run(tmp_path, 12, interrupt)
    assert step == int(state.g.step) == 8  # the blocks have 3, 2 and 3 train steps
    with Checkpoints(tmp_path / "checkpoints") as checkpoints:
        assert checkpoints.all_steps == [5, 8]
    assert signal.getsignal(signum) is handler
    state, step = run(tmp_path, 12)
    assert step == 12
    assert_same_bits(state, uninterrupted_run[1])
    assert read_metrics(tmp_path) == read_metrics(uninterrupted_run[0])


def test_train_stops_at_once_at_a_second_interrupt_and_keeps_what_was_saved(
    uninterrupted_run, tmp_path
):
    def interrupt_twice(progress):
        if progress.step == 8:
            signal.raise_signal(signal.SIGINT)
            signal.raise_signal(signal.SIGINT)

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, 12, interrupt_twice)
    assert len(read_metrics(tmp_path).splitlines()) == 8
    with Checkpoints(tmp_path / "checkpoints") as checkpoints:
        assert checkpoints.all_steps == [5]
    state, _ = run(tmp_path, 12)
    assert_same_bits(state, uninterrupted_run[1])
    assert read_metrics(tmp_path) == read_metrics(uninterrupted_run[0])


@pytest.mark.parametrize("signum", SIGNALS)
def test_stop_on_signal_sets_the_event_and_then_raises(signum, capfd):
    handlers = [signal.getsignal(s) for s in SIGNALS]
    with stop_on_signal() as stop:
        assert not stop.is_set()
        signal.raise_signal(signum)
        assert stop.is_set()
        assert "Stopping after this block; press Ctrl-C again" in capfd.readouterr().err
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signum)
    assert [signal.getsignal(s) for s in SIGNALS] == handlers


def test_stop_on_signal_restores_the_handlers_after_an_error():
    handlers = [signal.getsignal(s) for s in SIGNALS]
    with pytest.raises(ZeroDivisionError), stop_on_signal():
        raise ZeroDivisionError
    assert [signal.getsignal(s) for s in SIGNALS] == handlers


def test_stop_on_signal_does_nothing_outside_the_main_thread():
    handlers = [signal.getsignal(s) for s in SIGNALS]
    results = []

    def enter():
        with stop_on_signal() as stop:
            results.append((stop.is_set(), [signal.getsignal(s) for s in SIGNALS]))

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert results == [(False, handlers)]
