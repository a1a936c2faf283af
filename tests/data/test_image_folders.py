"""Folders of images: scanning, decoding by the stated rules, and the cache of decoded images."""

import os
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from jaxgan.data import image_folders, open_dataset
from jaxgan.data.image_decoding import decode_image, parse_size
from jaxgan.errors import ConfigError, DataError

RNG = np.random.default_rng(0)
GRAY = RNG.integers(0, 256, (6, 8), np.uint8)
COLOR = RNG.integers(0, 256, (6, 8, 3), np.uint8)
ALPHA = RNG.integers(0, 256, (6, 8), np.uint8)


def save_image(path, pixels, mode=None, **options):
    """Saves an array, or an image, below folders that are made; returns the path."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image = pixels if isinstance(pixels, Image.Image) else Image.fromarray(pixels)
    (image if mode is None else image.convert(mode)).save(path, **options)
    return path


def save_images(folder, names, shape=(6, 8, 3)):
    """Saves random images; returns them, in the order of the names."""
    images = RNG.integers(0, 256, (len(names), *shape), np.uint8)
    for name, image in zip(names, images, strict=True):
        save_image(folder / name, image)
    return images


def read_all(split):
    return split.read(range(split.num))


def over_white(pixels, alpha):
    """Composites float pixels over white."""
    weight = alpha[..., None] / 255 if pixels.ndim == 3 else alpha / 255
    return pixels * weight + 255 * (1 - weight)


def luma(pixels):
    return pixels @ [0.299, 0.587, 0.114]


def assert_close(actual, expected):
    """Asserts that pixels are equal up to rounding."""
    np.testing.assert_allclose(actual.squeeze().astype(float), expected, atol=1.01)


def test_flat_folder_has_no_labels_and_is_sorted_by_name(tmp_path):
    images = save_images(tmp_path / "pics", ["a.png", "B.PNG", "c.Png", "ü.png", "写真.png"])
    split = open_dataset(tmp_path / "pics", tmp_path / "data")
    assert (split.name, split.num, split.has_labels, split.class_names) == ("pics", 5, False, None)
    assert split.description == "5 images, 6x8, RGB"
    found = read_all(split)
    np.testing.assert_array_equal(found.images, images[[1, 0, 2, 3, 4]])
    np.testing.assert_array_equal(found.labels, np.zeros(5))
    assert not found.has_labels
    np.testing.assert_array_equal(split.read(np.array([3, 1])).images, images[[3, 0]])


def test_subfolders_are_classes_and_other_files_are_counted(tmp_path):
    folder = tmp_path / "my pets"
    names = ["cat/1.png", "cat/2.png", "dog/1.png", "Ant/1.png"]
    images = save_images(folder, names)
    (folder / "empty").mkdir()
    for name in ("README.txt", "cat/.hidden.png", "dog/notes", ".git/x", "__MACOSX/._1.png"):
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_text("x")
    split = open_dataset(str(folder), tmp_path / "data")
    assert split.name == "my_pets"
    assert split.class_names == ("Ant", "cat", "dog")
    assert split.description == "4 images in 3 classes, 6x8, RGB; 5 other files skipped"
    np.testing.assert_array_equal(read_all(split).labels, [0, 1, 1, 2])
    np.testing.assert_array_equal(read_all(split).images, images[[3, 0, 1, 2]])
    assert read_all(split).class_names == split.class_names
    assert {name: split.record[name] for name in ("path", "size", "channels", "num_skipped")} == {
        "path": str(folder),
        "size": None,
        "channels": None,
        "num_skipped": 5,
    }
    assert split.record["class_names"] == ["Ant", "cat", "dog"]


@pytest.mark.parametrize(
    ("names", "message"),
    [
        ([], "has 0 images and 1 other file; at least 2 images are needed"),
        (["a.png"], "has 1 image and 1 other file; at least 2 images are needed"),
        (
            ["a.png", "b.png", "x/a.png"],
            r"has 2 images directly in it, such as a.png, and 1 in sub",
        ),
        (["x/train/a.png", "x/a.png"], "images two folders deep, such as x/train/a.png"),
        (["train/x/a.png", "test/y/a.png"], "images two folders deep, such as test/y/a.png"),
    ],
)
def test_scan_folder_refuses_unclear_folders(tmp_path, names, message):
    (tmp_path / "pics").mkdir()
    (tmp_path / "pics" / "notes.txt").write_text("x")
    save_images(tmp_path / "pics", names)
    with pytest.raises(DataError, match=message):
        open_dataset(tmp_path / "pics", tmp_path / "data")


def test_names_that_are_not_utf8_are_read_and_shown(tmp_path):
    folder = Path(os.fsdecode(os.fsencode(tmp_path) + b"/p\xffcs"))
    try:
        save_images(folder / os.fsdecode(b"c\xfet"), ["a.png", "b.png"])
    except OSError:
        pytest.skip("the file system refuses such names")
    split = open_dataset(folder, tmp_path / "data")
    assert (split.name, split.class_names) == ("p_cs", ("c\\xfet",))
    (folder / os.fsdecode(b"c\xfet") / os.fsdecode(b"\xfd.png")).touch()
    with pytest.raises(DataError, match=re.escape(r"p\xffcs has 1 damaged file: c\xfet/\xfd.png")):
        open_dataset(folder, tmp_path / "data")


def make_palette_image():
    """Returns an image of mode P with the colors of COLOR's first 32 pixels."""
    image = Image.fromarray(np.arange(48, dtype=np.uint8).reshape(6, 8) % 32, "P")
    image.putpalette(COLOR.reshape(-1, 3)[:32].tobytes())
    return image, COLOR.reshape(-1, 3)[np.arange(48).reshape(6, 8) % 32]


def make_mode_cases():
    """Returns (name, image, options of saving, expected pixels [H, W] or [H, W, 3])."""
    bits = GRAY > 127
    palette, palette_pixels = make_palette_image()
    transparent = np.where(np.arange(48).reshape(6, 8, 1) % 32 == 3, 255, palette_pixels)
    wide = RNG.integers(0, 65_536, (6, 8), np.uint16)
    keyed = np.where((COLOR[2, 2] == COLOR).all(-1, keepdims=True), 255, COLOR)
    keyed_gray = np.where(GRAY[1, 1] == GRAY, 255, GRAY)
    gray_alpha = Image.merge("LA", [Image.fromarray(GRAY), Image.fromarray(ALPHA)])
    color_alpha = Image.fromarray(np.concatenate([COLOR, ALPHA[..., None]], 2))
    cmyk = Image.fromarray(COLOR).convert("CMYK")
    return [
        ("1.png", Image.fromarray(bits), {}, 255 * bits),
        ("L.png", GRAY, {}, GRAY),
        ("L.bmp", GRAY, {}, GRAY),
        ("L-transparent.png", GRAY, {"transparency": int(GRAY[1, 1])}, keyed_gray),
        ("LA.png", gray_alpha, {}, over_white(GRAY, ALPHA)),
        ("P.png", palette, {}, palette_pixels),
        ("P.gif", palette, {}, palette_pixels),
        ("P-transparent.png", palette, {"transparency": 3}, transparent),
        ("P-transparent.gif", palette, {"transparency": 3}, transparent),
        ("P-alpha.png", palette, {"transparency": bytes([255] * 3 + [0])}, transparent),
        ("RGB.png", COLOR, {}, COLOR),
        ("RGB.ppm", COLOR, {}, COLOR),
        ("RGB.tiff", COLOR, {}, COLOR),
        ("RGB.webp", COLOR, {"lossless": True}, COLOR),
        ("RGB-transparent.png", COLOR, {"transparency": tuple(map(int, COLOR[2, 2]))}, keyed),
        ("RGBA.png", color_alpha, {}, over_white(COLOR, ALPHA)),
        ("CMYK.tif", cmyk, {}, COLOR),
        ("I;16.png", wide, {}, wide / 257),
        ("I;16.tif", wide, {}, wide / 257),
        ("I.tif", wide.astype(np.int32), {}, wide / 257),
    ]


@pytest.mark.parametrize("case", make_mode_cases(), ids=lambda case: case[0])
def test_decode_image_converts_every_mode(tmp_path, case):
    name, image, options, expected = case
    path = save_image(tmp_path / name, image, **options)
    own = decode_image(path)
    assert own.dtype == np.uint8
    assert own.shape == (6, 8, 1 if np.ndim(expected) == 2 else 3)
    assert_close(own, expected)
    if np.ndim(expected) == 2:
        np.testing.assert_array_equal(decode_image(path, channels=3), np.repeat(own, 3, axis=2))
        np.testing.assert_array_equal(decode_image(path, channels=1), own)
    else:
        np.testing.assert_array_equal(decode_image(path, channels=3), own)
        assert_close(decode_image(path, channels=1), luma(own.astype(float)))


def test_decode_image_reads_jpeg_of_gray_rgb_and_cmyk(tmp_path):
    smooth = np.linspace(0, 255, 48 * 3).reshape(6, 8, 3).astype(np.uint8)
    cases = {"L": smooth[..., 0], "RGB": smooth, "CMYK": smooth}
    for mode, pixels in cases.items():
        path = save_image(tmp_path / f"{mode}.JPG", pixels, mode, quality=100, subsampling=0)
        with Image.open(path) as image:
            assert image.mode == mode
        np.testing.assert_allclose(decode_image(path).squeeze().astype(float), pixels, atol=4)


def test_decode_image_stores_gray_rgb_as_one_channel(tmp_path):
    path = save_image(tmp_path / "gray.png", np.repeat(GRAY[..., None], 3, axis=2))
    np.testing.assert_array_equal(decode_image(path)[..., 0], GRAY)


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
def test_decode_image_applies_the_exif_orientation(tmp_path, orientation, suffix):
    blocks = np.kron(np.array([[0, 80, 160], [255, 120, 40]], np.uint8), np.ones((8, 8), np.uint8))
    stored = {
        1: blocks,
        2: blocks[:, ::-1],
        3: blocks[::-1, ::-1],
        4: blocks[::-1],
        5: blocks.T,
        6: np.rot90(blocks, 1),
        7: blocks[::-1, ::-1].T,
        8: np.rot90(blocks, -1),
    }[orientation]
    exif = Image.Exif()
    exif[0x0112] = orientation
    path = save_image(tmp_path / f"x.{suffix}", stored, exif=exif)
    np.testing.assert_allclose(decode_image(path)[..., 0].astype(int), blocks, atol=3)


def test_damaged_exif_does_not_damage_the_image(tmp_path):
    for name in ("a.jpg", "b.jpg"):
        exif = b"Exif\0\0II*\0\x08\0\0\0\xff\xff damaged"
        save_image(tmp_path / "pics" / name, GRAY, exif=exif)
    assert open_dataset(tmp_path / "pics", tmp_path / "data").num == 2


def test_decode_image_takes_the_first_frame(tmp_path):
    frames = [Image.fromarray(np.full((6, 8), value, np.uint8)) for value in (10, 200)]
    for name in ("x.gif", "x.tif"):
        frames[0].save(tmp_path / name, save_all=True, append_images=frames[1:])
        np.testing.assert_array_equal(decode_image(tmp_path / name), np.full((6, 8, 1), 10))


@pytest.mark.parametrize(
    ("shape", "size", "box"),
    [
        ((40, 60), (20, 20), (0, 10, 40, 50)),
        ((60, 40), (20, 20), (10, 0, 50, 40)),
        ((40, 60), (10, 30), (10, 0, 30, 60)),
        ((5, 9), (20, 20), (0, 2, 5, 7)),
        ((40, 40), (20, 20), (0, 0, 40, 40)),
    ],
)
def test_decode_image_scales_and_crops_the_center(tmp_path, shape, size, box):
    rows, columns = np.mgrid[: shape[0], : shape[1]]
    ramp = (2 * rows + 2 * columns).astype(np.uint8)
    path = save_image(tmp_path / "x.png", ramp)
    found = decode_image(path, size)[..., 0]
    assert found.shape == size
    top, left, bottom, right = box
    expected = np.asarray(
        Image.fromarray(ramp[top:bottom, left:right]).resize(size[::-1], Image.Resampling.LANCZOS)
    )
    np.testing.assert_allclose(found.astype(int), expected, atol=1)


def test_decode_image_scales_with_antialiasing(tmp_path):
    stripes = np.tile(np.array([0, 255], np.uint8), (64, 32))
    found = decode_image(save_image(tmp_path / "x.png", stripes), (8, 8))
    assert np.all(np.abs(found.astype(int) - 127) < 8)


@pytest.mark.parametrize(
    ("size", "expected"), [(64, (64, 64)), ("64", (64, 64)), ("48x64", (48, 64)), ("8X9", (8, 9))]
)
def test_parse_size_accepts_one_or_two_sides(size, expected):
    assert parse_size(size) == expected


@pytest.mark.parametrize("size", ["", "x", "0", "64x", "-3", "1x2x3", "9999", "½", "64x99999", 0])
def test_parse_size_refuses_other_texts(size):
    with pytest.raises(ConfigError, match=r"size is .*, expected N or HxW"):
        parse_size(size)


def test_channels_are_three_if_any_image_has_color(tmp_path):
    for i in range(5):
        save_image(tmp_path / "pics" / f"{i}.png", GRAY)
    split = open_dataset(tmp_path / "pics", tmp_path / "data")
    assert split.description == "5 images, 6x8, gray"
    save_image(tmp_path / "pics" / "3.png", COLOR)
    split = open_dataset(tmp_path / "pics", tmp_path / "data")
    assert split.description == "5 images, 6x8, RGB"
    images = read_all(split).images
    np.testing.assert_array_equal(images[3], COLOR)
    for i in (0, 1, 2, 4):
        np.testing.assert_array_equal(images[i], np.repeat(GRAY[..., None], 3, axis=2))
    gray = read_all(open_dataset(tmp_path / "pics", tmp_path / "data", channels=1)).images
    assert gray.shape == (5, 6, 8, 1)
    assert_close(gray[3], luma(COLOR.astype(float)))


def test_images_of_several_sizes_need_a_size(tmp_path):
    folder = tmp_path / "pics"
    save_images(folder, ["a.png", "b.png"])
    save_images(folder, ["c.png"], (10, 12))
    message = r"several sizes: 6x8 \(2\), 10x12 \(1\) among the first 3. .* such as --size 64"
    with pytest.raises(DataError, match=message):
        open_dataset(folder, tmp_path / "data")
    split = open_dataset(folder, tmp_path / "data", size="4x5")
    assert split.read([0]).images.shape == (1, 4, 5, 3)
    assert split.record["size"] == "4x5"
    assert os.listdir(tmp_path / "data" / "image_folders") == [
        entry.name for entry in (tmp_path / "data" / "image_folders").glob("pics-*")
    ]


def damage_images(folder):
    """Adds one damaged file of each kind to a folder; returns their names, sorted."""
    for name in ("png", "jpg", "bmp", "gif", "tif", "webp"):
        path = save_image(folder / f"truncated.{name}", RNG.integers(0, 256, (60, 80, 3), np.uint8))
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    (folder / "empty.png").touch()
    (folder / "text.jpeg").write_text("This is not an image.")
    (folder / "link.png").symlink_to(folder / "missing.png")
    save_image(folder / "float.tif", GRAY.astype(np.float32))
    save_image(folder / "negative.tif", GRAY.astype(np.int32) - 300)
    return sorted(
        [f"truncated.{name}" for name in ("png", "jpg", "bmp", "gif", "tif", "webp")]
        + ["empty.png", "text.jpeg", "link.png", "float.tif", "negative.tif"]
    )


def test_damaged_files_are_named_together_or_skipped(tmp_path):
    folder = tmp_path / "pics"
    images = save_images(folder, ["a.png", "z.png"])
    names = damage_images(folder)
    with pytest.raises(DataError) as error:
        open_dataset(folder, tmp_path / "data")
    message = str(error.value)
    assert f"pics has {len(names)} damaged files: empty.png (empty); float.tif (its " in message
    assert "). Repair or remove them, or" in message
    assert all(name in message for name in names)
    assert list((tmp_path / "data" / "image_folders").iterdir()) == []
    split = open_dataset(folder, tmp_path / "data", skip_damaged=True)
    assert split.description == f"2 images, 6x8, RGB; {len(names)} damaged files left out"
    assert split.record["num_damaged"] == len(names)
    np.testing.assert_array_equal(read_all(split).images, images)


@pytest.mark.parametrize("name", ["text.jpeg", "empty.png"])
def test_damaged_files_give_a_reason(tmp_path, name):
    folder = tmp_path / "pics"
    save_images(folder, ["a.png", "b.png"])
    damage_images(tmp_path / "damaged")
    (tmp_path / "damaged" / name).rename(folder / name)
    reason = {"text.jpeg": "not an image", "empty.png": "empty"}[name]
    with pytest.raises(DataError, match=rf"1 damaged file: {name} \({reason}\)\. Repair"):
        open_dataset(folder, tmp_path / "data")


def test_folder_of_damaged_files_is_refused(tmp_path):
    save_images(tmp_path / "pics", ["a.png"])
    damage_images(tmp_path / "pics")
    with pytest.raises(DataError, match=r"has 1 image besides 11 damaged files \(empty.png"):
        open_dataset(tmp_path / "pics", tmp_path / "data", skip_damaged=True)


def test_fifo_with_the_name_of_an_image_is_skipped(tmp_path):
    save_images(tmp_path / "pics", ["a.png", "b.png"])
    os.mkfifo(tmp_path / "pics" / "c.png")
    split = open_dataset(tmp_path / "pics", tmp_path / "data")
    assert split.description == "2 images, 6x8, RGB; 1 other file skipped"


def test_links_in_a_circle_count_as_damaged_or_other_files(tmp_path):
    folder = tmp_path / "pics"
    save_images(folder, ["a.png", "b.png"])
    for name, target in (("c.png", "d.png"), ("d.png", "c.png"), ("e", "f"), ("f", "e")):
        (folder / name).symlink_to(target)
    with pytest.raises(DataError, match=r"2 damaged files: c\.png \(Too many levels of symbolic"):
        open_dataset(folder, tmp_path / "data")
    split = open_dataset(folder, tmp_path / "data", skip_damaged=True)
    assert (
        split.description == "2 images, 6x8, RGB; 2 damaged files left out; 2 other files skipped"
    )


def test_list_folder_raises_if_the_folder_cannot_be_read(tmp_path):
    with pytest.raises(DataError, match=r"gone cannot be read: No such file") as error:
        image_folders.list_folder(tmp_path, "gone/", 0)
    assert "permissions" in str(error.value)


def refuse_to_decode(*arguments):
    raise AssertionError("a file is decoded again")


def test_decoded_images_are_found_again(tmp_path, monkeypatch):
    folder, progress = tmp_path / "pics", []
    save_images(folder, ["x/a.png", "x/b.png", "y/c.png"])
    first = open_dataset(
        folder, tmp_path / "data", progress_fn=lambda done, total: progress.append((done, total))
    )
    assert progress == [(1, 3), (2, 3), (3, 3)]
    monkeypatch.setattr(image_folders, "decode_image", refuse_to_decode)
    (folder / "new.txt").write_text("x")
    again = open_dataset(folder, tmp_path / "data", progress_fn=refuse_to_decode)
    assert again.record == first.record | {"num_skipped": 1}
    np.testing.assert_array_equal(read_all(again).images, read_all(first).images)
    np.testing.assert_array_equal(read_all(again).labels, [0, 0, 1])


def test_decoded_images_are_renewed_if_the_files_or_options_change(tmp_path):
    folder = tmp_path / "pics"
    save_images(folder, ["a.png", "b.png"])
    checksums = [open_dataset(folder, tmp_path / "data").record["checksum"]]
    changed = save_images(folder, ["b.png"])
    os.utime(folder / "b.png", ns=(0, 0))
    split = open_dataset(folder, tmp_path / "data")
    np.testing.assert_array_equal(split.read([1]).images, changed)
    checksums.append(split.record["checksum"])
    (folder / "a.png").rename(folder / "c.png")
    checksums.append(open_dataset(folder, tmp_path / "data").record["checksum"])
    checksums.append(open_dataset(folder, tmp_path / "data", size=5).record["checksum"])
    assert len(set(checksums)) == 4


@pytest.mark.parametrize("file", ["images.npy", "labels.npy", "meta.json"])
@pytest.mark.parametrize("damage", ["flip", "truncate", "remove"])
def test_decoded_images_that_are_corrupt_are_decoded_again(tmp_path, file, damage):
    folder = tmp_path / "pics"
    images = save_images(folder, ["x/a.png", "y/b.png"])
    record = open_dataset(folder, tmp_path / "data").record
    (entry,) = (tmp_path / "data" / "image_folders").iterdir()
    assert sorted(os.listdir(entry)) == ["images.npy", "labels.npy", "meta.json"]
    content = bytearray((entry / file).read_bytes())
    content[-3] ^= 1
    if damage == "remove":
        (entry / file).unlink()
    else:
        (entry / file).write_bytes(content if damage == "flip" else content[: len(content) // 2])
    split = open_dataset(folder, tmp_path / "data")
    assert split.record == record
    np.testing.assert_array_equal(read_all(split).images, images)


def test_data_dir_that_cannot_be_written_is_refused(tmp_path):
    save_images(tmp_path / "pics", ["a.png", "b.png"])
    (tmp_path / "file").touch()
    with pytest.raises(DataError, match=r"cannot be written to .* Use a writable data_dir"):
        open_dataset(tmp_path / "pics", tmp_path / "file")


def test_many_files_are_decoded_in_order(tmp_path, monkeypatch):
    monkeypatch.setattr(image_folders, "FILES_PER_BLOCK", 7)
    folder = tmp_path / "pics"
    for i in range(30):
        save_image(folder / f"{i:02}.png", np.full((2, 3, 3), [i, i, i // 20], np.uint8))
    images = read_all(open_dataset(folder, tmp_path / "data")).images
    np.testing.assert_array_equal(images[:, 0, 0, 0], range(30))
    np.testing.assert_array_equal(images[:, 1, 2, 2], np.arange(30) // 20)
