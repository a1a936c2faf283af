"""A streaming source gives the same batches as a source in memory."""

import threading

import numpy as np
import pytest

from jaxgan.data.sources import array_source
from jaxgan.data.streaming import streaming_source
from jaxgan.errors import ConfigError, DataError, DtypeError, ShapeError
from jaxgan.training import metric_log
from jaxgan.training.loop import train
from jaxgan.training.options import TrainOptions
from tests.helpers.networks import SHAPE, assert_same_bits, small_gan

# 42 images: the last 2 of an epoch of batches of 8 are dropped.
IMAGES = np.random.default_rng(0).integers(0, 256, (42, *SHAPE), np.uint8)

LABELS = np.arange(42) % 10


def run(source, workdir, **options):
    options = {"seed": 3, "steps": 12, "steps_per_block": 4} | options
    return train(small_gan(), source, workdir, TrainOptions(**options))


@pytest.mark.default_xla
@pytest.mark.parametrize(("repeats", "d_steps", "num_devices"), [(2, 2, 1), (1, 1, 2)])
def test_streaming_source_trains_to_the_same_bits_as_array_source(
    repeats, d_steps, num_devices, tmp_path, count
):
    if not count(num_devices == 1, True):
        pytest.skip("only with --full")
    options = {"d_steps": d_steps, "num_devices": num_devices}
    labels = None if d_steps == 1 else LABELS
    in_memory = array_source(IMAGES, 8, labels=labels, repeats=repeats)
    expected, _ = run(in_memory, tmp_path / "memory", **options)
    options_of_source = {"labels": labels, "repeats": repeats}
    streaming = streaming_source(IMAGES.__getitem__, len(IMAGES), 8, **options_of_source)
    # The run is stopped and resumed within an epoch and within a block.
    run(streaming, tmp_path / "disk", steps=5, **options)
    actual, step = run(streaming, tmp_path / "disk", **options)
    assert step == 12
    assert_same_bits(actual, expected)
    logs = [(tmp_path / name / "metrics.jsonl").read_bytes() for name in ("memory", "disk")]
    assert logs[0] == logs[1]


def test_streaming_source_reads_each_image_once_per_epoch(tmp_path):
    read_indices, lock = [], threading.Lock()

    def read(indices):
        with lock:
            read_indices.extend(indices.tolist())
        return IMAGES[indices]

    run(streaming_source(read, len(IMAGES), 7), tmp_path, steps=6)  # one epoch
    epoch = read_indices[2:]  # The first and the last image were read to learn their shape.
    assert sorted(epoch) == list(range(len(IMAGES)))
    assert epoch != sorted(epoch)


@pytest.mark.stress
def test_streaming_source_read_error_ends_the_run_without_loss(tmp_path):
    broken = threading.Event()

    def read(indices):
        if broken.is_set():
            raise DataError("the disk is gone")
        return IMAGES[indices]

    source = streaming_source(read, len(IMAGES), 8)
    expected, _ = run(source, tmp_path / "whole")
    run(source, tmp_path / "parts", steps=5)
    broken.set()
    with pytest.raises(DataError, match="the disk is gone"):
        run(source, tmp_path / "parts")
    broken.clear()
    actual, _ = run(source, tmp_path / "parts")
    assert_same_bits(actual, expected)
    columns = metric_log.read_columns(tmp_path / "parts" / "metrics.jsonl")
    assert columns["step"].tolist() == list(range(1, 13))


def test_streaming_source_rejects_what_it_does_not_support(tmp_path):
    with pytest.raises(DtypeError, match="images are float64, expected uint8"):
        streaming_source((IMAGES / 255).__getitem__, len(IMAGES), 8)
    with pytest.raises(ShapeError, match=r"expected \[N, H, W, C\]"):
        streaming_source(IMAGES[..., 0].__getitem__, len(IMAGES), 8)
    with pytest.raises(ShapeError, match=r"labels have shape \[41\], expected \[42, …\]"):
        streaming_source(IMAGES.__getitem__, len(IMAGES), 8, labels=LABELS[1:])
    with pytest.raises(ConfigError, match="batch_size is 43, expected 1 to 42"):
        streaming_source(IMAGES.__getitem__, len(IMAGES), 43)
    with pytest.raises(ConfigError, match="a streaming source feeds only one GAN"):
        run(streaming_source(IMAGES.__getitem__, len(IMAGES), 8), tmp_path, num_seeds=2)
    assert list(tmp_path.iterdir()) == []


def test_streaming_source_raises_if_read_returns_other_images(tmp_path):
    def read_first(indices):
        return IMAGES[indices[:1]]

    with pytest.raises(ShapeError, match=r"shape \[1, 6, 6, 1\] for 2 indices, expected \[2, "):
        streaming_source(read_first, len(IMAGES), 8)
    with pytest.raises(IndexError, match="42 is out of bounds"):
        streaming_source(IMAGES.__getitem__, len(IMAGES) + 1, 8)

    def read_in_batches(result):
        return lambda indices: IMAGES[indices] if len(indices) == 2 else result

    for result, error, message in (
        (IMAGES[:1], ShapeError, r"shape \[1, 6, 6, 1\] for 8 indices, expected \[8, 6, 6, 1\]"),
        (IMAGES[:8] / 255, DtypeError, "images are float64, expected uint8"),
    ):
        with pytest.raises(error, match=message):
            run(streaming_source(read_in_batches(result), len(IMAGES), 8), tmp_path / "run")
