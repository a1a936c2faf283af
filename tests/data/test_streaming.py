"""What is read while a run trains is what would have been in memory."""

import threading

import jax
import numpy as np
import pytest

from jaxgan.data.sources import array_source
from jaxgan.data.streaming import streaming_source
from jaxgan.errors import ConfigError, DataError, DtypeError, ShapeError
from jaxgan.training import metric_log
from jaxgan.training.loop import train
from tests.helpers.networks import SHAPE, assert_same_bits, small_gan

IMAGES = np.random.default_rng(0).integers(0, 256, (42, *SHAPE), np.uint8)


def run(source, workdir, **options):
    return train(small_gan(), source, workdir, **({"seed": 3, "steps": 12, "block": 4} | options))


@pytest.mark.parametrize(("repeats", "d_steps", "devices"), [(2, 2, 1), (1, 1, 2)])
def test_the_same_bits_as_from_memory(repeats, d_steps, devices, tmp_path, count):
    if not count(devices == 1, True):
        pytest.skip("only with --full")
    streamed = streaming_source(IMAGES.__getitem__, len(IMAGES), 8, repeats=repeats)
    options = {"d_steps": d_steps, "devices": devices}
    expected, _ = run(array_source(IMAGES, 8, repeats=repeats), tmp_path / "memory", **options)
    run(streamed, tmp_path / "disk", steps=5, **options)  # in the midst of an epoch and of a block
    found, step = run(streamed, tmp_path / "disk", **options)
    assert step == 12
    assert_same_bits(found, expected)
    logs = [(tmp_path / name / "metrics.jsonl").read_bytes() for name in ("memory", "disk")]
    assert logs[0] == logs[1]


def test_every_image_is_read_once_an_epoch_and_no_more(tmp_path):
    rows, lock = [], threading.Lock()

    def read(wanted):
        with lock:
            rows.extend(wanted.tolist())
        return IMAGES[wanted]

    run(streaming_source(read, len(IMAGES), 7), tmp_path, steps=6)  # one epoch
    assert sorted(rows[1:]) == list(range(len(IMAGES)))  # the first is read for its shape
    assert rows[1:] != sorted(rows[1:])


def test_what_cannot_be_read_ends_the_run_and_loses_nothing(tmp_path):
    broken = threading.Event()

    def read(wanted):
        if broken.is_set():
            raise DataError("the disk is gone")
        return IMAGES[wanted]

    source = streaming_source(read, len(IMAGES), 8)
    expected, _ = run(source, tmp_path / "whole")
    run(source, tmp_path / "parts", steps=5)
    broken.set()
    with pytest.raises(DataError, match="the disk is gone"):
        run(source, tmp_path / "parts")
    broken.clear()
    found, _ = run(source, tmp_path / "parts")
    assert_same_bits(found, expected)
    assert metric_log.read_columns(tmp_path / "parts" / "metrics.jsonl")["step"].tolist() == list(
        range(1, 13)
    )


def test_what_a_stream_cannot_do_is_refused(tmp_path):
    with pytest.raises(DtypeError, match="float64"):
        streaming_source((IMAGES / 255).__getitem__, len(IMAGES), 8)
    with pytest.raises(ShapeError, match=r"\[N, H, W, C\]"):
        streaming_source(IMAGES[..., 0].__getitem__, len(IMAGES), 8)
    with pytest.raises(ConfigError, match="batch_size is 43, expected 1 to 42"):
        streaming_source(IMAGES.__getitem__, len(IMAGES), 43)
    with pytest.raises(ConfigError, match="a streamed source feeds one GAN"):
        run(streaming_source(IMAGES.__getitem__, len(IMAGES), 8), tmp_path, seeds=2)
    assert jax.tree.leaves(list(tmp_path.iterdir())) == []
