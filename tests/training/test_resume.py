import json

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from jaxgan import losses, optimizers, penalties
from jaxgan.data.sources import array_source, synthetic_source
from jaxgan.errors import ConfigError
from jaxgan.training import resume
from jaxgan.training.callbacks import Callbacks
from jaxgan.training.fingerprint import fingerprint_gan, fingerprint_source
from jaxgan.training.loop import train
from jaxgan.training.options import TrainOptions
from tests.helpers.networks import SHAPE, small_gan, tiny_gan, tiny_source

SILENT = Callbacks(progress=None, log=None)
BATCH = (jax.ShapeDtypeStruct((8, *SHAPE), jnp.float32), None)
GANS = {
    "plain": {},
    "learning rate": {"d_tx": optimizers.adam(2e-3)},
    "momentum": {"g_tx": optimizers.adam(1e-3, b1=0.4)},
    "schedule": {"g_tx": optimizers.adam(optax.linear_schedule(1e-3, 0.0, 9))},
    "another schedule": {"g_tx": optimizers.adam(optax.linear_schedule(1e-3, 0.0, 8))},
    "loss": {"loss": losses.hinge},
    "penalty": {"penalty": penalties.r1(1.0)},
    "another penalty": {"penalty": penalties.r1(2.0)},
    "projection": {"projection": optimizers.clip_weights(0.1)},
    "average": {"ema_half_life": 10.0},
    "another average": {"ema_half_life": 20.0},
}


def run(workdir, steps=5, gan=None, source=None, callbacks=SILENT, **options):
    options = TrainOptions(steps=steps, **options)
    return train(gan or tiny_gan(), source or tiny_source(), workdir, options, callbacks)


def read_train_section(workdir):
    return json.loads((workdir / "config.json").read_text())["train"]


def test_fingerprint_gan_differs_for_different_gans_and_only_for_them():
    prints = {name: fingerprint_gan(tiny_gan(**parts), BATCH) for name, parts in GANS.items()}
    again = {name: fingerprint_gan(tiny_gan(**parts), BATCH) for name, parts in GANS.items()}
    assert prints == again
    assert len(set(prints.values())) == len(GANS)


def test_fingerprint_source_covers_content_order_and_draws():
    images = np.random.default_rng(0).integers(0, 256, (40, *SHAPE), np.uint8)
    other = images.copy()
    other[3, 2, 1, 0] ^= 1
    labels = np.arange(40, dtype=np.int32) % 3
    sources = [
        array_source(images, 8),
        array_source(other, 8),
        array_source(images, 4),
        array_source(images, 8, repeats=2),
        array_source(images, 8, labels=labels),
        synthetic_source(lambda key, num: jax.random.normal(key, (num, *SHAPE)), 8, 5),
        synthetic_source(lambda key, num: 2 * jax.random.normal(key, (num, *SHAPE)), 8, 5),
    ]
    prints = [json.dumps(fingerprint_source(source)) for source in sources]
    assert prints[0] == json.dumps(fingerprint_source(array_source(images.copy(), 8)))
    assert len(set(prints)) == len(sources)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"seed": 1}, "seed: 0 in the run, 1 now"),
        ({"g_steps": 2}, "g_steps: 1 in the run, 2 now"),
        ({"update_order": "simultaneous"}, "update_order: 'd_first' in the run"),
        ({"share_noise": False}, "share_noise: True in the run, False now"),
        ({"source": tiny_source(batch_size=4)}, r"batch: 'float32\[8, 6, 6, 1\]' in the run"),
        ({"gan": tiny_gan(loss=losses.hinge)}, "networks, loss, penalty, augmentation, optimizers"),
        ({"gan": tiny_gan(d_tx=optimizers.adam(1e-4))}, "optimizers or schedules differ"),
    ],
)
def test_train_refuses_to_resume_with_changes_and_leaves_the_run_alone(tmp_path, changes, message):
    run(tmp_path)
    before = {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    with pytest.raises(ConfigError, match=message):
        run(tmp_path, 10, **changes)
    assert before == {path: path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    run(tmp_path, 10)


def test_train_refuses_other_data_of_the_same_shape(tmp_path):
    images = np.zeros((40, *SHAPE), np.uint8)
    run(tmp_path, source=array_source(images, 8))
    with pytest.raises(ConfigError, match="the content of the source's arrays differs"):
        run(tmp_path, 10, source=array_source(images + np.uint8(1), 8))


def test_train_resumes_with_options_that_do_not_change_bits(tmp_path):
    run(tmp_path)
    options = {"steps_per_block": 3, "num_devices": 2, "keep_every": 4, "on_nonfinite": "skip"}
    assert run(tmp_path, 10, probe_every=2, evaluate_every=None, **options)[1] == 10


def test_train_continues_with_allowed_changes_and_records_them(tmp_path):
    messages = []
    run(tmp_path)
    hinge = tiny_gan(loss=losses.hinge)
    run(
        tmp_path,
        10,
        hinge,
        callbacks=Callbacks(progress=None, log=messages.append),
        allow_changes=True,
    )
    assert messages[0] == f"Resuming from the checkpoint of step 5 in {tmp_path}."
    assert "Continuing with changes: the networks, loss" in messages[1]
    (change,) = read_train_section(tmp_path)["changes"]
    assert change["step"] == 5
    run(tmp_path, 12, hinge)  # the changed GAN is the run's from now on
    assert read_train_section(tmp_path)["changes"] == [change]


def test_train_does_not_compare_gans_of_other_versions_and_says_so(tmp_path):
    run(tmp_path)
    config = json.loads((tmp_path / "config.json").read_text())
    config["versions"]["jax"] = "0.11.0"
    (tmp_path / "config.json").write_text(json.dumps(config))
    messages = []
    callbacks = Callbacks(progress=None, log=messages.append)
    run(tmp_path, 10, tiny_gan(loss=losses.hinge), callbacks=callbacks)
    assert any("not compared" in message for message in messages)
    with pytest.raises(ConfigError, match="seed"):
        run(tmp_path, 12, tiny_gan(loss=losses.hinge), seed=3)


def test_start_message_tells_new_resumed_and_finished_runs_apart(tmp_path):
    assert resume.start_message(tmp_path, 0, 9) == f"Starting a new run in {tmp_path}."
    assert "Resuming from the checkpoint of step 1,200" in resume.start_message(
        tmp_path, 1200, 1300
    )
    assert "already has 12 steps; nothing to do for steps=12" in resume.start_message(
        tmp_path, 12, 12
    )


def test_make_program_refuses_a_batch_of_one_under_batch_normalization(tmp_path):
    with pytest.raises(ConfigError, match="batch size is 1, but the generator has batch normal"):
        run(tmp_path / "run", gan=small_gan(), source=tiny_source(batch_size=1))
    assert not (tmp_path / "run").exists()
    run(tmp_path / "run", gan=tiny_gan(), source=tiny_source(batch_size=1))  # without it, it may
