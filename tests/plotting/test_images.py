"""Image files made of other images."""

import numpy as np
import pytest
from PIL import Image

from jaxgan.errors import DataError, DtypeError, ShapeError
from jaxgan.plotting import images


def save_gray_levels(folder, levels):
    """Saves a uniform picture for each level, and returns the paths."""
    paths = [folder / f"{level}.png" for level in levels]
    for path, level in zip(paths, levels, strict=True):
        Image.fromarray(np.full((8, 8, 3), level, np.uint8)).save(path)
    return paths


def read_frames(path):
    """Returns the mean gray level of each frame of a GIF."""
    with Image.open(path) as gif:
        levels = []
        for i in range(gif.n_frames):
            gif.seek(i)
            levels.append(int(np.asarray(gif.convert("L")).mean()))
    return levels


def test_save_gif_has_every_picture_from_files_and_from_arrays(tmp_path):
    paths = save_gray_levels(tmp_path, (0, 80, 160))
    images.save_gif(str(tmp_path / "files.gif"), paths)
    images.save_gif(tmp_path / "arrays.gif", [images.read_rgb(path) for path in paths])
    assert read_frames(tmp_path / "files.gif") == [0, 80, 160]
    assert (tmp_path / "files.gif").read_bytes() == (tmp_path / "arrays.gif").read_bytes()


def test_save_side_by_side_refuses_pictures_of_different_sizes(tmp_path):
    paths = save_gray_levels(tmp_path, (0, 80))
    images.save_side_by_side(tmp_path / "all.png", paths)
    with Image.open(tmp_path / "all.png") as image:
        assert image.size == (8 + 2 + 8, 8)
    other = np.zeros((9, 8, 3), np.uint8)
    with pytest.raises(ShapeError, match=r"\[8, 8, 3\], \[9, 8, 3\], expected one shape"):
        images.save_side_by_side(tmp_path / "all.png", [*paths[:1], other])


def test_save_quantized_has_at_most_64_colors(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (32, 32, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(tmp_path / "in.png")
    images.save_quantized(str(tmp_path / "out.png"), str(tmp_path / "in.png"))
    with Image.open(tmp_path / "out.png") as image:
        assert 2 <= len(image.convert("RGB").getcolors()) <= 64


def test_read_rgb_refuses_files_that_are_not_images(tmp_path):
    [path] = save_gray_levels(tmp_path, (0,))
    content = path.read_bytes()
    for damaged in (b"", b"text", content[:45], content[:20]):
        path.write_bytes(damaged)
        with pytest.raises(DataError, match=r"0\.png is not a readable image"):
            images.read_rgb(path)
    with pytest.raises(DataError, match="missing"):
        images.read_rgb(tmp_path / "missing.png")


@pytest.mark.parametrize("channels", [1, 3, 4])
def test_save_animation_keeps_gray_levels_and_composites_rgba_over_white(tmp_path, channels):
    levels = np.array([0, 80, 160], np.uint8)
    batch = np.broadcast_to(levels[:, None, None, None], (3, 1, 6, channels)).copy()
    expected = [0, 80, 160]
    if channels == 4:
        batch[..., 3] = [[[255]], [[0]], [[255]]]
        expected = [0, 255, 160]
    images.save_animation(str(tmp_path / "all.gif"), batch, zoom=3)
    assert read_frames(tmp_path / "all.gif") == expected
    with Image.open(tmp_path / "all.gif") as gif:
        assert gif.size == (18, 3)


def test_composite_over_white_rounds_to_the_nearest_level():
    color, alpha = np.meshgrid(np.arange(256), np.arange(256))
    rgba = np.stack([color, color, color, alpha], -1).astype(np.uint8)[None]
    expected = np.round((color * alpha + 255 * (255 - alpha)) / 255)
    actual = images.composite_over_white(rgba)
    assert actual.shape == (1, 256, 256, 3)
    np.testing.assert_array_equal(actual[0, ..., 0], expected)


@pytest.mark.parametrize("shape", [(2, 6, 6), (2, 6, 6, 2), (2, 6, 6, 5), (15,)])
def test_save_animation_refuses_other_shapes(tmp_path, shape):
    with pytest.raises(ShapeError, match=r"expected \[N, H, W, C\] with C = 1 \(gray\), 3 \(RGB\)"):
        images.save_animation(tmp_path / "x.gif", np.zeros(shape, np.uint8))


def test_save_animation_refuses_floating_point(tmp_path):
    with pytest.raises(DtypeError, match="images are float32, expected uint8"):
        images.save_animation(tmp_path / "x.gif", np.zeros((2, 6, 6, 1), np.float32))
