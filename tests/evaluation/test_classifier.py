"""The classifier that the scores are computed through: training, labels, the cache."""

import numpy as np
import pytest

from jaxgan.data.image_datasets import load_split
from jaxgan.data.sources import from_pixels
from jaxgan.data.splits import Images
from jaxgan.errors import DataError
from jaxgan.evaluation import classifier as classifier_module
from jaxgan.evaluation.classifier import (
    compute_data_checksum,
    find_class_labels,
    load_or_train_classifier,
    split_train_test,
)


@pytest.fixture
def short_training(monkeypatch):
    """Epochs go through a small set once."""
    monkeypatch.setattr("jaxgan.data.sources.EPOCH_IMAGES", 1)


def digits_subset(name, num=240, seed=0):
    digits = load_split("digits")
    rows = np.random.default_rng(seed).permutation(len(digits.images))[:num]
    return Images(name, digits.images[rows], digits.labels[rows])


def constant_images(name, labels, shape=(28, 28, 1)):
    return Images(name, np.full((len(labels), *shape), 7, np.uint8), np.array(labels, np.int32))


def test_classifier_learns_the_digits(digits_classifier):
    data = load_split("digits")
    assert digits_classifier.num_classes == 10
    assert digits_classifier.accuracy > 0.9
    assert digits_classifier.data_checksum == compute_data_checksum(data)
    predictions = np.argmax(digits_classifier.extract(data.images).logits, axis=1)
    assert np.mean(predictions == data.labels) > 0.9


def test_classify_takes_any_number_of_uint8_or_floating_images(digits_classifier):
    images = load_split("digits").images[:501]
    outputs = digits_classifier.extract(images)
    assert outputs.features.shape == (501, 128)
    assert outputs.logits.shape == (501, 10)
    floats = digits_classifier.extract(from_pixels(images))
    np.testing.assert_allclose(outputs.features, floats.features, rtol=1e-5, atol=1e-5)
    single = digits_classifier.extract(images[500:])
    np.testing.assert_allclose(single.logits[0], outputs.logits[500], rtol=1e-4, atol=1e-4)


def test_classifier_is_read_from_the_cache(digits_data_dir, digits_classifier, monkeypatch):
    monkeypatch.delattr(classifier_module, "train_classifier")
    again = load_or_train_classifier("digits", digits_data_dir)
    assert again._replace(extract=None) == digits_classifier._replace(extract=None)
    images = load_split("digits").images[:10]
    np.testing.assert_array_equal(
        again.extract(images).logits, digits_classifier.extract(images).logits
    )


@pytest.mark.stress
def test_classifier_with_overwrite_is_trained_again(tmp_path, short_training):
    data, progress = digits_subset("again"), []
    for overwrite in (False, True):
        load_or_train_classifier(
            "again", tmp_path, lambda *step: progress.append(step), data=data, overwrite=overwrite
        )
    assert progress == 2 * [(step, 4) for step in range(1, 5)]


@pytest.mark.stress
def test_classifier_of_new_data_under_an_old_name_is_a_new_one(tmp_path, short_training):
    old, new = digits_subset("same_name", seed=0), digits_subset("same_name", seed=1)
    relabeled = old._replace(labels=old.labels[::-1].copy())
    found = [
        load_or_train_classifier("same_name", tmp_path, data=data) for data in (old, new, relabeled)
    ]
    assert len({classifier.data_checksum for classifier in found}) == 3
    assert len({classifier.checksum for classifier in found}) == 3
    assert {path.name for path in (tmp_path / "classifiers").iterdir()} == {
        f"same_name-{classifier.data_checksum}.npz" for classifier in found
    }


def test_data_checksum_depends_on_images_labels_and_shapes():
    data = digits_subset("name")
    changed_images = data.images.copy()
    changed_images[3, 4, 5] ^= 1
    changed_labels = data.labels.copy()
    changed_labels[3] += 1
    variants = [
        data,
        data._replace(images=changed_images),
        data._replace(labels=changed_labels),
        data._replace(images=data.images.reshape(len(data.images), 14, 56, 1)),
    ]
    assert len({compute_data_checksum(each) for each in variants}) == 4
    assert compute_data_checksum(data) == compute_data_checksum(data._replace(name="other"))
    assert len(compute_data_checksum(data)) == 8


@pytest.mark.stress
@pytest.mark.parametrize("offset", [-5, 1])
def test_classifier_labels_may_be_any_integers(tmp_path, short_training, offset):
    data = digits_subset("shifted")
    plain = load_or_train_classifier("shifted", tmp_path, data=data)
    shifted = data._replace(labels=3 * data.labels + offset)
    found = load_or_train_classifier("shifted", tmp_path, data=shifted)
    assert (found.num_classes, found.accuracy) == (10, plain.accuracy)
    np.testing.assert_array_equal(
        found.extract(data.images[:20]).logits, plain.extract(data.images[:20]).logits
    )


@pytest.mark.parametrize(
    ("label", "message"),
    [
        (0, r"plain has no labels, or only one class \(every label is 0\)"),
        (5, r"plain has only one class \(every label is 5\)"),
    ],
)
def test_classifier_without_two_classes_is_refused(tmp_path, label, message):
    data = constant_images("plain", [label] * 200)
    with pytest.raises(DataError, match=message):
        load_or_train_classifier("plain", tmp_path, data=data)
    with pytest.raises(DataError, match=message):
        find_class_labels(data)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("num", "shape", "message"),
    [
        (150, (28, 28, 1), "small has 150 images; evaluation needs at least 200"),
        (200, (8, 28, 1), "small has images of 8x28 pixels; evaluation needs at least 11x11"),
    ],
)
def test_classifier_of_unsuitable_images_is_refused_before_training(
    tmp_path, monkeypatch, num, shape, message
):
    monkeypatch.delattr(classifier_module, "train_classifier")
    data = constant_images("small", np.arange(num) % 10, shape)
    monkeypatch.setattr(classifier_module, "load_split", lambda *arguments: data)
    with pytest.raises(DataError, match=message):
        load_or_train_classifier("small", tmp_path)


def test_classifier_file_that_is_corrupt_is_refused(digits_data_dir, digits_classifier, tmp_path):
    name = f"digits-{digits_classifier.data_checksum}.npz"
    content = (digits_data_dir / "classifiers" / name).read_bytes()
    (tmp_path / "classifiers").mkdir()
    unpackable = bytearray(content)
    unpackable[content.rindex(b"PK\x01\x02") + 10] = 99  # the compression method
    for corrupt in (content[:1000], unpackable):
        (tmp_path / "classifiers" / name).write_bytes(corrupt)
        with pytest.raises(DataError, match=rf"{name} is corrupt .* Remove it to train"):
            load_or_train_classifier("digits", tmp_path)


def test_split_train_test_without_a_test_split_holds_out_every_sixth_image(tmp_path):
    data = load_split("digits")
    train, test = split_train_test(data, tmp_path)
    assert len(test.images) == 300
    np.testing.assert_array_equal(test.images, data.images[::6])
    assert len(train.images) + len(test.images) == len(data.images)
