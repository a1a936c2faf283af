import jax
import numpy as np
import pytest

from jaxgan.data.classes import (
    check_class_indices,
    draw_condition,
    find_class,
    find_classes,
    index_labels,
    list_classes,
)
from jaxgan.errors import ConfigError

NAMES = ("cat", "dog", "2", "bird")


def test_find_classes_returns_sorted_labels_with_names_and_counts():
    labels = np.array([7, -3, 7, 1, 7], np.int32)
    classes = find_classes(labels)
    assert classes.labels.tolist() == [-3, 1, 7]
    assert classes.names == ("-3", "1", "7")
    assert classes.counts == (1, 1, 3)
    assert find_classes(labels, ("zero", "one")).names == ("-3", "one", "7")


def test_index_labels_maps_sorted_labels_and_marks_unknown_ones():
    class_labels = np.array([-3, 1, 7], np.int32)
    labels = np.array([7, -3, 1, 1, 0, 9, -9], np.int32)
    indices = index_labels(labels, class_labels)
    assert indices.dtype == np.int32
    assert indices.tolist() == [2, 0, 1, 1, -1, -1, -1]


def test_draw_condition_draws_classes_by_their_frequency():
    counts, num = (500, 1, 1_499), 20_000
    key, condition = draw_condition(jax.random.key(0), counts, num)
    assert condition.shape == (num,)
    assert condition.dtype == np.int32
    expected = np.array(counts) / sum(counts)
    errors = 4 * np.sqrt(expected * (1 - expected) / num)
    found = np.bincount(condition, minlength=3) / num
    np.testing.assert_array_less(np.abs(found - expected), errors)
    assert not np.array_equal(jax.random.key_data(key), jax.random.key_data(jax.random.key(0)))


def test_draw_condition_of_an_unconditional_gan_leaves_the_key():
    key = jax.random.key(3)
    assert draw_condition(key, None, 5) == (key, None)


def test_check_class_indices_refuses_indices_out_of_range():
    check_class_indices(np.array([0, 3]), NAMES)
    check_class_indices(np.array([], np.int32), NAMES)
    check_class_indices(np.full((2, 4), 0.25), NAMES)  # weights, not indices
    for wrong in (-1, 4):
        with pytest.raises(ConfigError, match=f"the class {wrong}, expected indices from 0 to 3"):
            check_class_indices(np.array([0, wrong]), NAMES)


def test_find_class_takes_names_before_numbers():
    assert find_class("dog", NAMES) == 1
    assert find_class("3", NAMES) == 3
    assert find_class("2", NAMES) == 2
    assert find_class("0", ("1", "0")) == 1
    for wrong in ("4", "-1", "Dog", ""):
        with pytest.raises(ConfigError, match=r"expected one of 0 cat, 1 dog, 2, 3 bird"):
            find_class(wrong, NAMES)


def test_list_classes_names_only_the_first():
    assert list_classes(NAMES) == "0 cat, 1 dog, 2, 3 bird"
    assert list_classes(NAMES, 1) == "0 cat, and 3 more"
