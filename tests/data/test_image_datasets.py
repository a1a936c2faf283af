"""Data sets are found by name and read; what cannot be read is reported with a remedy."""

import io
import json
import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import tensorflow_datasets as tfds
from PIL import Image
from sklearn.datasets import load_digits

from jaxgan import data
from jaxgan.data.image_datasets import KNOWN_DATASETS, load_split, open_split
from jaxgan.errors import DataError
from tests.helpers.programs import ROOT

IMAGES = np.random.default_rng(0).integers(0, 256, (5, 6, 4, 3), dtype=np.uint8)
LABEL = tfds.features.ClassLabel(num_classes=5)
TENSOR = tfds.features.Tensor(shape=(6, 4, 3), dtype=np.uint8, encoding="bytes")


def prepare_features(data_dir, features, examples, version="1.0.0"):
    """Prepares `tiny_set` with TFDS, as any user might; returns its folder."""

    class TinySet(tfds.core.GeneratorBasedBuilder, skip_registration=True):
        VERSION = tfds.core.Version(version)

        def _info(self):
            info = tfds.features.FeaturesDict(features)
            return tfds.core.DatasetInfo(builder=self, features=info, disable_shuffling=True)

        def _split_generators(self, dl_manager):
            return {"train": self._generate_examples()}

        def _generate_examples(self):
            yield from enumerate(examples)

    TinySet(data_dir=data_dir, file_format="array_record").download_and_prepare()
    return data_dir / "tiny_set" / version


def prepare_images(data_dir, version="1.0.0", images=IMAGES):
    """Prepares `tiny_set` with images as raw bytes, labeled 0, 1, …; returns its folder."""
    examples = [{"image": image, "label": i} for i, image in enumerate(images)]
    return prepare_features(data_dir, {"image": TENSOR, "label": LABEL}, examples, version)


def edit_info(folder, **changes):
    path = folder / "dataset_info.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def to_png(image):
    file = io.BytesIO()
    Image.fromarray(image).save(file, "png")
    file.seek(0)
    return file


def test_data_exports_exist():
    assert all(hasattr(data, name) for name in data.__all__)


def test_data_import_is_light():
    heavy = {"tensorflow_datasets", "grain", "sklearn", "scipy"}
    program = f"import sys, jaxgan.data; print(*sorted({heavy} & sys.modules.keys()))"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=ROOT
    )
    assert done.stdout.split() == []


def test_load_split_digits_are_enlarged_and_bright_and_resemble_the_originals():
    pixels, labels = load_digits(return_X_y=True)
    digits, again = load_split("digits"), load_split("digits")
    assert (digits.images.shape, digits.images.dtype) == ((1797, 28, 28, 1), np.uint8)
    np.testing.assert_array_equal(digits.images, again.images)
    np.testing.assert_array_equal(digits.labels, labels)
    assert digits.images.min() == 0
    assert np.all(digits.images.max(axis=(1, 2, 3)) == 255)
    assert not digits.images[:, [0, 1, -2, -1]].any()
    assert not digits.images[:, :, [0, 1, -2, -1]].any()
    blocks = digits.images[:, 2:26, 2:26, 0].reshape(-1, 8, 3, 8, 3)
    reduced = blocks.mean(axis=(2, 4)).reshape(-1, 64)
    correlations = [np.corrcoef(a, b)[0, 1] for a, b in zip(reduced, pixels, strict=True)]
    assert min(correlations) > 0.85


def test_load_split_digits_have_only_one_split():
    with pytest.raises(DataError, match="digits has no split 'test', only 'train'"):
        load_split("digits", split="test")


def test_open_split_reads_the_requested_digits():
    split, digits = open_split("digits"), load_split("digits")
    assert (split.name, split.num) == ("digits", 1797)
    np.testing.assert_array_equal(split.read([7, 3]).images, digits.images[[7, 3]])
    np.testing.assert_array_equal(split.read([7, 3]).labels, digits.labels[[7, 3]])


@pytest.mark.parametrize(
    ("image", "encode"),
    [
        (TENSOR, np.asarray),
        (tfds.features.Tensor(shape=(6, 4, 3), dtype=np.uint8), np.asarray),
        (tfds.features.Tensor(shape=(None, 4, 3), dtype=np.uint8, encoding="zlib"), np.asarray),
        (tfds.features.Image(), to_png),
    ],
    ids=["bytes", "integers", "zlib", "png"],
)
def test_load_split_reads_a_data_set_prepared_by_tfds(tmp_path, image, encode):
    examples = [{"image": encode(each), "label": i} for i, each in enumerate(IMAGES)]
    prepare_features(tmp_path, {"image": image, "label": LABEL}, examples)
    tiny = load_split("tiny_set", str(tmp_path))
    assert (tiny.name, tiny.images.dtype, tiny.labels.dtype) == ("tiny_set", np.uint8, np.int32)
    np.testing.assert_array_equal(tiny.images, IMAGES)
    np.testing.assert_array_equal(tiny.labels, range(5))
    part = load_split("tiny_set", tmp_path, "train[1:3]")
    np.testing.assert_array_equal(part.images, IMAGES[1:3])


@pytest.mark.parametrize(
    "label", [None, tfds.features.Text(), tfds.features.Tensor(shape=(2,), dtype=np.int64)]
)
def test_load_split_without_an_integer_label_gives_zeros(tmp_path, label):
    value = {"label": [1, 2] if label.shape else "one"} if label else {}
    features = {"image": TENSOR} | ({"label": label} if label else {})
    prepare_features(tmp_path, features, [{"image": image} | value for image in IMAGES])
    np.testing.assert_array_equal(load_split("tiny_set", tmp_path).labels, np.zeros(5))


def test_load_split_uses_the_newest_version(tmp_path):
    prepare_images(tmp_path, "1.10.0")
    prepare_images(tmp_path, "1.9.0", IMAGES[:2])
    (tmp_path / "tiny_set" / "incomplete.ABCDEF_2.0.0").mkdir()
    (tmp_path / "tiny_set" / "2.0.0").mkdir()
    assert len(load_split("tiny_set", tmp_path).images) == 5


def test_load_split_finds_a_config_if_it_is_the_only_one(tmp_path):
    folder = prepare_images(tmp_path)
    shutil.move(folder, tmp_path / "tiny_set" / "small" / "1.0.0")
    assert len(load_split("tiny_set", tmp_path).images) == 5
    shutil.copytree(tmp_path / "tiny_set" / "small", tmp_path / "tiny_set" / "x-2.0")
    message = rf"several configs: small, x-2.0. Give {folder.parent} as data_dir"
    with pytest.raises(DataError, match=message):
        load_split("tiny_set", tmp_path)
    assert len(load_split("x-2.0", folder.parent).images) == 5


def test_load_split_of_another_format_gives_the_command_that_converts_it(tmp_path):
    folder = prepare_images(tmp_path)
    edit_info(folder, fileFormat="tfrecord")
    message = re.escape(f"tiny_set: {folder} is in tfrecord, expected array_record. ")
    command = re.escape(
        "python -m tensorflow_datasets.scripts.convert_format "
        f"--dataset_version_dir={folder} --out_file_format=array_record"
    )
    with pytest.raises(DataError, match=f"^{message}.*{command}$"):
        load_split("tiny_set", tmp_path)


@pytest.mark.parametrize("first_format", ["tfrecord", "parquet"])
def test_load_split_reads_array_record_beside_another_format(tmp_path, first_format):
    folder = prepare_images(tmp_path)
    edit_info(folder, fileFormat=first_format, alternativeFileFormats=["array_record"])
    np.testing.assert_array_equal(load_split("tiny_set", tmp_path).images, IMAGES)


@pytest.mark.parametrize(
    ("features", "example"),
    [
        ({"picture": TENSOR}, {"picture": IMAGES[0]}),
        ({"image": LABEL}, {"image": 1}),
        (
            {"image": tfds.features.Tensor(shape=(6, 4, 3), dtype=np.float32)},
            {"image": np.float32(IMAGES[0])},
        ),
        (
            {"image": tfds.features.Tensor(shape=(None, None, 3), dtype=np.uint8, encoding="zlib")},
            {"image": IMAGES[0]},
        ),
    ],
    ids=["other name", "label", "float32", "unknown shape"],
)
def test_load_split_rejects_a_data_set_without_uint8_images(tmp_path, features, example):
    folder = prepare_features(tmp_path, features, [example])
    message = f"tiny_set: {folder} has the features .*, expected a feature 'image' of uint8"
    with pytest.raises(DataError, match=message):
        load_split("tiny_set", tmp_path)


@pytest.mark.parametrize(
    ("image", "images", "shapes"),
    [
        (
            tfds.features.Image(),
            [to_png(IMAGES[0]), to_png(IMAGES[0, :5])],
            "[(5, 4, 3), (6, 4, 3)]",
        ),
        (tfds.features.Tensor(shape=(6, 4), dtype=np.uint8), IMAGES[..., 0], "[(6, 4)]"),
    ],
    ids=["two shapes", "rank 2"],
)
def test_load_split_rejects_images_without_one_shape_of_rank_3(tmp_path, image, images, shapes):
    folder = prepare_features(tmp_path, {"image": image}, [{"image": each} for each in images])
    message = f"images in {folder} have the shapes {shapes}, expected one common shape [H, W, C]"
    with pytest.raises(DataError, match=re.escape(message)):
        load_split("tiny_set", tmp_path)


@pytest.mark.parametrize("split", ["test", "train[:0]", "train[", "train[9:]"])
def test_load_split_rejects_a_split_without_images(tmp_path, split):
    folder = prepare_images(tmp_path)
    with pytest.raises(DataError) as caught:
        load_split("tiny_set", tmp_path, split)
    assert f"tiny_set: split {split!r} of {folder} has no images: " in str(caught.value)
    assert str(caught.value).endswith("Choose from the existing splits: train: 5.")


@pytest.mark.parametrize(
    "file", ["dataset_info.json", "features.json", "tiny_set-train.array_record-00000-of-00001"]
)
def test_load_split_reports_corrupt_files(tmp_path, file):
    folder = prepare_images(tmp_path)
    content = (folder / file).read_bytes()
    (folder / file).write_bytes(content[: len(content) // 2])
    with pytest.raises(DataError, match=f"tiny_set: {folder} is corrupt: .* Remove it"):
        load_split("tiny_set", tmp_path)


def test_load_split_of_an_unknown_name_suggests_a_similar_one(tmp_path):
    prepare_images(tmp_path)
    message = f"neither known ({', '.join(KNOWN_DATASETS)}) nor prepared by TFDS in {tmp_path}/"
    for name, hint in (
        ("minst", "minst. Did you mean 'mnist'?"),
        ("tinyset", "tinyset. Did you mean 'tiny_set'?"),
    ):
        with pytest.raises(DataError, match=re.escape(message + hint)):
            load_split(name, tmp_path)
    with pytest.raises(DataError, match=re.escape(f"{message}celeb. --dataset and")):
        load_split("celeb", tmp_path)


@pytest.mark.parametrize("name", ["", ".", "..", "../tiny_set", "a/b", "a\\b", "/tmp", "a..b", "~"])
def test_load_split_rejects_invalid_names(tmp_path, name):
    with pytest.raises(DataError, match="is not a valid data set name, expected letters"):
        load_split(name, tmp_path)


def test_load_split_default_data_dir_is_in_the_home_folder(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    message = re.escape(f"nor prepared by TFDS in {tmp_path}/jaxgan_data/celeb.")
    with pytest.raises(DataError, match=message):
        load_split("celeb")
