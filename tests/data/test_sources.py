import jax
import jax.numpy as jnp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxgan.data.sources import array_source, from_pixels, synthetic_source, to_pixels
from jaxgan.errors import ConfigError, DtypeError, ShapeError


def test_to_pixels_inverts_from_pixels_exactly():
    pixels = np.arange(256, dtype=np.uint8)
    images = np.asarray(from_pixels(jnp.asarray(pixels)))
    assert images.min() == -1
    assert images.max() == 1
    np.testing.assert_allclose(images, np.linspace(-1, 1, 256), atol=1e-7)
    np.testing.assert_array_equal(to_pixels(images), pixels)


def test_to_pixels_clips_values_out_of_range():
    np.testing.assert_array_equal(to_pixels([-9.0, 9.0]), [0, 255])


@pytest.mark.parametrize("dtype", [np.uint8, np.int32])
def test_to_pixels_raises_on_pixels(dtype):
    with pytest.raises(DtypeError, match=f"images are {dtype.__name__}, expected floating"):
        to_pixels(np.zeros((2, 2), dtype))


def test_from_pixels_raises_on_values_that_are_not_pixels():
    with pytest.raises(DtypeError, match="pixels are float32, expected uint8"):
        from_pixels(jnp.zeros(3))


def indexed_images(num):
    """Returns images whose first two pixels encode their index."""
    images = np.zeros((num, 2, 2, 1), np.uint8)
    images[:, 0, 0, 0], images[:, 0, 1, 0] = np.divmod(np.arange(num), 256)
    return images


def draw_epoch(source, epoch, seed=0):
    """Returns the image indices of an epoch, in order, and the condition of each batch."""
    order = jax.jit(source.order)(jax.random.key(seed), epoch)
    batches = [
        source.batch(source.arrays, order, jax.random.key(1), i)
        for i in range(source.batches_per_epoch)
    ]
    pixels = np.concatenate([to_pixels(real) for real, _ in batches]).astype(int)
    return pixels[:, 0, 0, 0] * 256 + pixels[:, 0, 1, 0], [condition for _, condition in batches]


@settings(max_examples=10, deadline=None, derandomize=True)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 3))
def test_array_source_draws_every_image_at_most_once_per_repeat(num, batch_size, repeats):
    images = indexed_images(num)
    if batch_size > num:
        with pytest.raises(ConfigError, match=f"batch_size is {batch_size}, expected 1 to {num}"):
            array_source(images, batch_size)
        return
    source = array_source(images, batch_size, repeats=repeats)
    assert source.batches_per_epoch == repeats * num // batch_size
    indices, _ = draw_epoch(source, 0)
    counts = np.bincount(indices, minlength=num)
    assert counts.max() <= repeats
    assert counts.sum() == source.batches_per_epoch * batch_size
    assert repeats * num - counts.sum() < batch_size


def test_array_source_shuffles_by_epoch_and_seed_and_keeps_labels_with_their_images():
    source = array_source(indexed_images(300), 32, labels=np.arange(300) % 7)
    first, labels = draw_epoch(source, 0)
    np.testing.assert_array_equal(np.concatenate(labels), first % 7)
    next_epoch, _ = draw_epoch(source, 1)
    other_seed, _ = draw_epoch(source, 0, seed=1)
    for other in (next_epoch, other_seed, np.arange(288)):
        assert np.mean(first == other) < 0.1
    np.testing.assert_array_equal(first, draw_epoch(source, 0)[0])


def test_array_source_raises_on_invalid_images_labels_and_repeats():
    images = indexed_images(8)
    with pytest.raises(DtypeError, match="images are float64, expected uint8"):
        array_source(images / 255, 4)
    with pytest.raises(ShapeError, match=r"\[8, 2, 2\], expected \[N, H, W, C\]"):
        array_source(images[..., 0], 4)
    with pytest.raises(ShapeError, match=r"labels have shape \[7\], expected \[8, …\]"):
        array_source(images, 4, labels=np.zeros(7))
    with pytest.raises(ConfigError, match="repeats is 0"):
        array_source(images, 4, repeats=0)


def test_array_source_raises_on_arguments_of_another_type():
    images = indexed_images(8)
    with pytest.raises(DtypeError, match="images is a list, expected one array"):
        array_source(images.tolist(), 4)
    with pytest.raises(DtypeError, match="labels is a list, expected one array"):
        array_source(images, 4, labels=[0] * 8)
    with pytest.raises(DtypeError, match="labels are <U1, expected numbers"):
        array_source(images, 4, labels=np.array(list("abcdefgh")))
    with pytest.raises(ConfigError, match=r"batch_size is 4\.0, expected an integer"):
        array_source(images, 4.0)
    with pytest.raises(ConfigError, match=r"repeats is 1\.5, expected an integer"):
        array_source(images, 4, repeats=1.5)


def test_synthetic_source_draws_new_samples_for_every_key():
    def sample(key, num):
        return jax.random.normal(key, (num, 2), jnp.float32)

    source = synthetic_source(sample, 4, 10)
    assert source.batches_per_epoch == 10
    order = source.order(jax.random.key(0), 0)
    first, condition = source.batch(source.arrays, order, jax.random.key(1), 0)
    other, _ = source.batch(source.arrays, order, jax.random.key(2), 0)
    assert first.shape == (4, 2)
    assert condition is None
    assert not np.array_equal(first, other)


@pytest.mark.parametrize("counts", [(0, 1), (1, 0)])
def test_synthetic_source_raises_on_counts_below_one(counts):
    with pytest.raises(ConfigError, match=f"batch_size is {counts[0]}"):
        synthetic_source(lambda key, num: None, *counts)


@pytest.mark.parametrize("counts", [(4.0, 1), ("4", 1)])
def test_synthetic_source_raises_on_counts_that_are_not_integers(counts):
    with pytest.raises(ConfigError, match=f"batch_size is {counts[0]!r}, expected an integer"):
        synthetic_source(lambda key, num: None, *counts)
