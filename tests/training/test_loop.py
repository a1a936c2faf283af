import shutil

import jax
import numpy as np
import pytest

from jaxgan.errors import CheckpointError, ConfigError
from jaxgan.training import metric_log
from jaxgan.training.callbacks import Callbacks
from jaxgan.training.checkpoints import Checkpoints
from jaxgan.training.loop import train
from jaxgan.training.options import TrainOptions
from tests.helpers.networks import assert_same_bits, small_gan, tiny_gan, tiny_source

SOURCE = tiny_source()  # 5 train steps per epoch
GAN = small_gan(ema_half_life=100.0)
SILENT = Callbacks(progress=None)


def run(workdir, steps, callbacks=SILENT, gan=GAN, **options):
    options = TrainOptions(steps=steps, **({"steps_per_block": 3} | options))
    return train(gan, SOURCE, workdir, options, callbacks)


def read_metrics(workdir):
    return (workdir / "metrics.jsonl").read_text()


def saved_steps(workdir):
    with Checkpoints(workdir / "checkpoints") as checkpoints:
        return checkpoints.all_steps


def test_train_writes_logs_and_checkpoints(uninterrupted_run):
    workdir, state = uninterrupted_run
    assert int(state.d.step) == int(state.g.step) == 12
    metrics = metric_log.read_columns(workdir / "metrics.jsonl")
    np.testing.assert_array_equal(metrics["step"], np.arange(1, 13))
    probabilities = {"d_real_probability", "d_fake_probability", "g_fake_probability"}
    assert {"d_loss", "g_loss", "g_grad_norm", "d_finite"} | probabilities <= metrics.keys()
    np.testing.assert_allclose(metrics["d_loss"][0], 2 * np.log(2), atol=0.7)
    timing = metric_log.read_columns(workdir / "timing.jsonl")
    assert timing["steps"].tolist() == [3, 2, 3, 2, 2]
    assert timing["step"].tolist() == [3, 5, 8, 10, 12]
    assert (timing["seconds"] > 0).all()
    assert (timing["compile_seconds"] > 0).tolist() == [True, False, False, False, False]
    assert saved_steps(workdir) == [10, 12]


@pytest.mark.parametrize(
    "stops", [(1, 7), *(pytest.param(s, marks=pytest.mark.stress) for s in ((5,), (10, 11)))]
)
def test_train_resumes_with_the_same_bits(uninterrupted_run, tmp_path, stops):
    for steps in (*stops, 12):
        state, step = run(tmp_path, steps, steps_per_block=2)
        assert step == steps
    assert_same_bits(state, uninterrupted_run[1])
    assert read_metrics(tmp_path) == read_metrics(uninterrupted_run[0])


def test_train_on_a_finished_run_computes_nothing(uninterrupted_run, tmp_path):
    workdir = shutil.copytree(uninterrupted_run[0], tmp_path / "run")
    callbacks = Callbacks(progress=lambda progress: pytest.fail("a block was run"))
    state, step = run(workdir, 12, callbacks)
    assert step == 12
    assert_same_bits(state, uninterrupted_run[1])
    assert read_metrics(workdir) == read_metrics(uninterrupted_run[0])


def test_train_with_another_seed_ends_in_another_state(uninterrupted_run, tmp_path):
    state, _ = run(tmp_path, 12, seed=1)
    with pytest.raises(AssertionError):
        assert_same_bits(state, uninterrupted_run[1])


def test_train_takes_one_batch_per_discriminator_update(tmp_path):
    state, _ = run(tmp_path, 4, d_steps=2, share_noise=False)
    assert (int(state.d.step), int(state.g.step)) == (8, 4)
    timing = metric_log.read_columns(tmp_path / "timing.jsonl")
    # The 5 batches of an epoch are enough for 2 train steps; the last batch is not used.
    assert timing["steps"].tolist() == [2, 2]


def test_train_keep_every_keeps_checkpoints_and_the_bits(uninterrupted_run, tmp_path):
    state, _ = run(tmp_path, 12, keep_every=4)
    assert_same_bits(state, uninterrupted_run[1])
    assert read_metrics(tmp_path) == read_metrics(uninterrupted_run[0])
    assert saved_steps(tmp_path) == [4, 8, 10, 12]  # 10 and 12 are the latest two


def test_train_resumes_from_a_checkpoint_of_keep_every(uninterrupted_run, tmp_path):
    def stop(progress):
        if progress.step == 8:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path, 12, Callbacks(progress=stop), keep_every=4)
    assert saved_steps(tmp_path) == [4, 5, 8]
    reported = []
    state, _ = run(tmp_path, 12, Callbacks(progress=lambda p: reported.append(p.step)))
    assert reported == [10, 12]
    assert_same_bits(state, uninterrupted_run[1])


def test_train_starts_anew_if_it_was_stopped_before_the_first_checkpoint(tmp_path):
    def probe(state, key):
        return {"mean": GAN.sample(state, key, 4).mean()}

    def stop(progress):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(tmp_path / "stopped", 5, Callbacks(probe=probe, progress=stop), probe_every=2)
    for name in ("stopped", "whole"):
        run(tmp_path / name, 5, Callbacks(probe=probe, progress=None), probe_every=2)
    for name in ("metrics.jsonl", "probes.jsonl"):
        texts = [(tmp_path / workdir / name).read_text() for workdir in ("stopped", "whole")]
        assert texts[0] == texts[1]


def test_train_accepts_a_workdir_that_is_str_or_pathlike(tmp_path, monkeypatch):
    class PathLike:
        def __fspath__(self):
            return str(tmp_path / "pathlike" / "run")

    monkeypatch.chdir(tmp_path)
    gan = tiny_gan()
    states = [run(workdir, 1, gan=gan)[0] for workdir in ("text", PathLike())]
    assert_same_bits(*states)
    for name in ("text", "pathlike/run"):
        assert saved_steps(tmp_path / name) == [1]
        assert (tmp_path / name / "config.json").exists()


def test_train_refuses_an_epoch_too_short_for_a_train_step(tmp_path):
    message = r"an epoch has 5 batches, but a train step takes 6 \(d_steps\)"
    with pytest.raises(ConfigError, match=message):
        run(tmp_path / "run", 1, d_steps=6)
    assert not (tmp_path / "run").exists()


def test_train_refuses_a_checkpoint_of_another_gan(tmp_path):
    run(tmp_path, 1, gan=tiny_gan())
    with pytest.raises(CheckpointError, match="the arrays do not match this GAN"):
        run(tmp_path, 2, gan=tiny_gan(ema_half_life=100.0))
    assert saved_steps(tmp_path) == [1]


def test_train_returns_a_state_on_the_devices_of_the_process(uninterrupted_run):
    leaves = jax.tree.leaves(uninterrupted_run[1])
    assert all(isinstance(x, jax.Array) and x.is_fully_addressable for x in leaves)


def test_train_refuses_arguments_of_another_type_before_the_workdir_exists(tmp_path):
    options, workdir = TrainOptions(steps=1), tmp_path / "run"
    for arguments, message in (
        ((None, SOURCE, workdir, options), "gan is a NoneType, expected a GAN"),
        ((GAN, np.zeros(3), workdir, options), "source is a ndarray, expected a Source"),
        ((GAN, SOURCE, workdir, 100), "options is a int, expected a TrainOptions"),
        ((GAN, SOURCE, workdir, options, [print]), "callbacks is a list, expected a Callbacks"),
    ):
        with pytest.raises(ConfigError, match=message):
            train(*arguments)
    assert not workdir.exists()
