"""Callbacks that draw during training."""

import json

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from PIL import Image

from jaxgan.errors import ShapeError
from jaxgan.plotting import callbacks, images
from jaxgan.training import metric_log
from jaxgan.training.rng import make_rng_streams
from tests.helpers.networks import small_gan

METRICS = {"d_loss": 1.0, "g_loss": 0.7, "d_real_probability": 0.6, "d_fake_probability": 0.4}


def gan_with_samples(*shape):
    """A GAN without networks whose samples `[num, *shape]` are all 0."""
    return small_gan()._replace(
        sample=lambda state, key, num, condition=None: jnp.zeros((num, *shape))
    )


def write_metrics(workdir, num):
    rows = [{"step": i} | METRICS for i in range(1, num + 1)]
    metric_log.append_rows(workdir / "metrics.jsonl", rows)


def save_square(path, samples, metrics, probes, caption):
    """The `save` function of a plot callback: a square image whose gray level is the loss."""
    level = int(100 * metrics.get("d_loss", 0))
    images.save_png(path, Image.fromarray(np.full((8, 8, 3), level, np.uint8)))


def test_make_image_callback_removes_later_steps_and_keeps_other_files(tmp_path):
    gan = small_gan()
    state = gan.init(jax.random.key(0), jnp.zeros((1, 6, 6, 1)))
    key = make_rng_streams(0).sample
    draw = callbacks.make_image_callback(gan, tmp_path, 10, "toy")
    write_metrics(tmp_path, 20)
    for step in (0, 20, 1_000_000, 10):
        draw(state, jax.random.clone(key), step)
        (tmp_path / "samples" / "notes.txt").write_text("mine")
    kept = {path.name for path in (tmp_path / "samples").iterdir()}
    assert kept == {"000000.npy", "000000.png", "000010.npy", "000010.png", "notes.txt"}


def test_make_image_callback_draws_all_files_in_a_workdir_given_as_a_string(tmp_path):
    baseline = {"frechet_distance": [1.0, 2.0]}
    rows = [{"step": 10, "frechet_distance": 3.0}]
    metric_log.append_rows(tmp_path / "scores.jsonl", rows)
    draw = callbacks.make_image_callback(
        gan_with_samples(6, 6, 3), str(tmp_path), 10, "toy", real_baseline=baseline
    )
    draw(None, None, 0)
    assert not (tmp_path / "losses.png").exists()
    write_metrics(tmp_path, 10)
    draw(None, None, 10)
    assert json.loads((tmp_path / "real_scores.json").read_text()) == baseline
    for name in ("samples/000010.png", "progress.png", "losses.png", "scores.png"):
        with Image.open(tmp_path / name) as image:
            assert min(image.size) > 30
    pixels = np.load(tmp_path / "samples" / "000010.npy")
    assert (pixels.shape, pixels.dtype) == ((64, 6, 6, 3), np.uint8)


def test_make_image_callback_draws_no_scores_without_a_baseline_for_them(tmp_path):
    metric_log.append_rows(tmp_path / "scores.jsonl", [{"step": 10, "other_score": 3.0}])
    draw = callbacks.make_image_callback(
        gan_with_samples(6, 6, 1), tmp_path, 10, "toy", real_baseline={"recall": [1.0]}
    )
    draw(None, None, 0)
    assert not (tmp_path / "scores.png").exists()


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_make_image_callback_accepts_gray_rgb_and_rgba(tmp_path, channels):
    callbacks.make_image_callback(gan_with_samples(6, 6, channels), tmp_path, 10, "toy")(
        None, None, 0
    )
    with Image.open(tmp_path / "progress.png") as image:
        assert image.width > 16 * 6


@pytest.mark.parametrize("shape", [(6, 6, 2), (6, 6, 5), (15,)])
def test_make_image_callback_refuses_other_shapes_and_writes_nothing(tmp_path, shape):
    draw = callbacks.make_image_callback(gan_with_samples(*shape), tmp_path, 10, "toy")
    found = ", ".join(map(str, (64, *shape)))
    with pytest.raises(ShapeError, match=rf"shape \[{found}\], expected \[N, H, W, C\] with C = 1"):
        draw(None, None, 0)
    assert list(tmp_path.iterdir()) == []


def test_make_image_callback_skips_unusable_files_and_reports_each_once(tmp_path, monkeypatch):
    folder, messages, drawn = tmp_path / "samples", [], []
    folder.mkdir()
    (folder / "000022.npy").touch()
    (folder / "000033.npy").write_bytes(b"\x93NUMPY\x01\x00v\x00{'descr': ((((")
    np.save(folder / "000044.npy", np.zeros((64, 5, 5, 1), np.uint8))
    np.save(folder / "000055.npy", np.zeros((64, 6, 6, 1), np.float32))
    (folder / "000066.npy").mkdir()
    write_metrics(tmp_path, 100)
    draw = callbacks.make_image_callback(
        gan_with_samples(6, 6, 1), tmp_path, 10, "toy", log_fn=messages.append
    )
    save_labeled_rows = callbacks.figures.save_labeled_rows

    def save(path, rows, *args, **options):
        drawn.append((path.name, [row[0] for row in rows]))
        save_labeled_rows(path, rows, *args, **options)

    monkeypatch.setattr(callbacks.figures, "save_labeled_rows", save)
    for step in (100, 110):
        picture = draw(None, None, step)["samples"]
        assert picture.dtype == np.uint8
        assert picture.shape[2] == 3
    progress = [labels for name, labels in drawn if name == "progress.png"]
    assert progress == [["epoch 10"], ["epoch 10", "epoch 11"]]
    assert len(messages) == 1
    for part in (
        "4 files are left out",
        "000022.npy is not a readable array",
        "000033.npy is not a readable array",
        "000044.npy has uint8[64, 5, 5, 1], expected uint8[N, 6, 6, 1]",
        "and 1 more",
    ):
        assert part in messages[0]


def test_make_plot_callback_draws_all_files(tmp_path):
    shown = []
    draw = callbacks.make_plot_callback(
        gan_with_samples(2),
        str(tmp_path),
        10,
        "toy",
        save_fn=save_square,
        animation_name="toy.gif",
        num_samples=5,
        num_panels=3,
        show_fn=shown.append,
    )
    draw(None, None, 0)
    write_metrics(tmp_path, 20)
    for step in (10, 20):
        draw(None, None, step)
    assert np.load(tmp_path / "samples" / "000010.npy").shape == (5, 2)
    assert [path.name for path in shown] == ["000000.png", "000010.png", "000020.png"]
    with Image.open(tmp_path / "progress.png") as image:
        assert image.size == (3 * 8 + 2 * 2, 8)
    with Image.open(tmp_path / "losses.png") as image:
        assert image.size == (900, 600)
    with Image.open(tmp_path / "toy.gif") as image:
        assert image.n_frames == 2  # Pillow merges the two last frames, which are equal


@pytest.mark.parametrize("strip", [1, 4])
def test_make_plot_callback_skips_unusable_pictures_and_reports_each_once(tmp_path, strip):
    folder, messages = tmp_path / "samples", []
    folder.mkdir()
    (folder / "000003.png").touch()
    Image.new("RGB", (9, 8)).save(folder / "000004.png")
    write_metrics(tmp_path, 20)
    draw = callbacks.make_plot_callback(
        gan_with_samples(2),
        tmp_path,
        10,
        "toy",
        save_fn=save_square,
        animation_name="toy.gif",
        num_panels=strip,
        log_fn=messages.append,
    )
    for step in (10, 20):
        draw(None, None, step)
    assert len(messages) == 1
    assert "2 files are left out" in messages[0]
    assert "000003.png is not a readable image" in messages[0]
    assert "000004.png has shape [8, 9, 3], expected [8, 8, 3]" in messages[0]
    with Image.open(tmp_path / "progress.png") as image:
        assert image.size == ((8, 8) if strip == 1 else (2 * 8 + 2, 8))


def test_last_row_takes_the_first_member_of_a_population():
    columns = {"step": np.array([1, 2]), "diversity": np.array([[0.1, 0.2], [0.3, 0.4]])}
    assert callbacks.last_row(columns) == {"step": 2, "diversity": 0.3}
    assert callbacks.last_row({}) == {}
