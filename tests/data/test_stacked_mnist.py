"""Stacked MNIST: triples of digits as the channels of color images."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan import data
from jaxgan.data.stacked_mnist import NUM_TRIPLES
from jaxgan.errors import ConfigError, DtypeError, ShapeError

IMAGES = np.random.default_rng(0).integers(0, 256, (7, 4, 5, 1), dtype=np.uint8)


def test_draw_triples_are_independent_and_uniform():
    triples = data.draw_triples(10)
    assert (triples.shape, triples.dtype) == ((NUM_TRIPLES, 3), np.int32)
    counts = np.bincount(data.stack_labels(triples, 10), minlength=1_000)
    # A chi-squared statistic of 999 degrees of freedom is within 5 standard deviations.
    statistic = np.sum((counts - 128) ** 2 / 128)
    assert abs(statistic - 999) < 5 * (2 * 999) ** 0.5
    np.testing.assert_array_equal(triples, data.draw_triples(10))
    assert np.any(triples != data.draw_triples(10, seed=1))


def test_stack_images_puts_each_image_into_its_channel():
    triples = np.array([[0, 1, 2], [6, 6, 3]])
    stacked = np.asarray(data.stack_images(IMAGES, triples))
    assert (stacked.shape, stacked.dtype) == ((2, 4, 5, 3), np.uint8)
    for row, triple in zip(stacked, triples, strict=True):
        for channel, index in enumerate(triple):
            np.testing.assert_array_equal(row[..., channel], IMAGES[index, ..., 0])


def test_stack_labels_are_the_digits_of_a_number():
    assert data.stack_labels([[0, 0, 0], [1, 2, 3], [9, 9, 9]], 10).tolist() == [0, 123, 999]


def test_stacked_source_passes_once_through_all_triples():
    triples = data.draw_triples(len(IMAGES), 12)
    source = data.stacked_source(IMAGES, triples, 4)
    assert source.batches_per_epoch == 3
    batch = jax.jit(source.batch)
    orders = [source.order(jax.random.key(0), epoch) for epoch in (0, 1)]
    assert np.any(np.asarray(orders[0]) != np.asarray(orders[1]))
    for order in orders:
        batches = [
            batch(source.arrays, order, jax.random.key(i), jnp.int32(i))[0] for i in range(3)
        ]
        found = data.to_pixels(jnp.concatenate(batches)).reshape(12, -1)
        expected = np.asarray(data.stack_images(IMAGES, triples)).reshape(12, -1)
        np.testing.assert_array_equal(found[np.lexsort(found.T)], expected[np.lexsort(expected.T)])


@pytest.mark.parametrize(
    ("images", "triples", "batch_size", "error", "message"),
    [
        (IMAGES / 255, np.zeros((4, 3), int), 2, DtypeError, "images are float64"),
        (np.zeros((7, 4, 5, 3), np.uint8), np.zeros((4, 3), int), 2, ShapeError, "one channel of"),
        (IMAGES, np.zeros((4, 2), int), 2, ShapeError, r"\[4, 2\], expected \[M, 3\]"),
        (IMAGES, np.zeros((4, 3), int), 5, ConfigError, "batch_size is 5, expected 1 to 4"),
    ],
)
def test_stacked_source_rejects(images, triples, batch_size, error, message):
    with pytest.raises(error, match=message):
        data.stacked_source(images, triples, batch_size)
