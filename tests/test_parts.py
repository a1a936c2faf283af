"""The small parts: priors, optimisers, states, sources of batches, recorded history."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from jaxgan import _io, optimizers, priors, states
from jaxgan.data.sources import array_source, from_pixels, to_pixels
from jaxgan.errors import ConfigError, DtypeError, ShapeError
from jaxgan.training import metric_log
from tests.helpers.networks import assert_same_bits


@pytest.mark.parametrize(
    ("prior", "mean_square", "most"), [(priors.normal, 1.0, 7.0), (priors.uniform, 1 / 3, 1.0)]
)
def test_priors_have_their_moments(prior, mean_square, most):
    z = prior(50)(jax.random.key(0), 4000)
    assert z.shape == (4000, 50)
    assert z.dtype == jnp.float32
    np.testing.assert_allclose(jnp.mean(z), 0, atol=0.01)
    np.testing.assert_allclose(jnp.mean(z**2), mean_square, rtol=0.02)
    assert 0.99 * min(most, 4.0) < float(jnp.abs(z).max()) <= most


@pytest.mark.parametrize("dim", [0, -1, 2.0, "3"])
def test_noise_must_have_a_dimension(dim):
    for prior in (priors.normal, priors.uniform):
        with pytest.raises(ConfigError, match="dimension"):
            prior(dim)


def updates(tx, gradients):
    """What an optimiser makes of scalar gradients, one after the other."""
    state, found = tx.init(jnp.zeros(())), []
    for g in gradients:
        update, state = tx.update(jnp.asarray(g, jnp.float32), state, jnp.zeros(()))
        found.append(float(update))
    return found


def test_adam_is_kingma_and_bas_with_b1_one_half():
    m = v = 0.0
    expected = []
    gradients = [0.3, -2.0, 5.0, 0.01]
    for t, g in enumerate(gradients, 1):
        m, v = 0.5 * m + 0.5 * g, 0.999 * v + 0.001 * g * g
        expected.append(-0.1 * (m / (1 - 0.5**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8))
    np.testing.assert_allclose(updates(optimizers.adam(0.1), gradients), expected, rtol=1e-5)


def test_rmsprop_is_pytorchs():
    v, expected = 0.0, []
    gradients = [1e-7, 0.3, -2.0, 5.0]  # the first tells where epsilon is added
    for g in gradients:
        v = 0.99 * v + 0.01 * g * g
        expected.append(-0.1 * g / (np.sqrt(v) + 1e-8))
    np.testing.assert_allclose(updates(optimizers.rmsprop(0.1), gradients), expected, rtol=1e-5)


def test_moving_average_has_its_closed_form_and_takes_the_newest_count():
    old = {"w": jnp.array([1.0, 5.0]), "count": jnp.int32(3)}
    new = {"w": jnp.array([2.0, -1.0]), "count": jnp.int32(4)}
    average = old
    for _ in range(7):
        average = states.update_ema(average, new, 0.9)
    np.testing.assert_allclose(average["w"], new["w"] + 0.9**7 * (old["w"] - new["w"]), rtol=1e-6)
    assert int(average["count"]) == 4


def test_apply_gradients_counts_and_moves():
    tx = optax.sgd(0.5)
    state = states.NetworkState(
        jnp.int32(0), {"w": jnp.array([1.0, 2.0])}, {}, tx.init({"w": jnp.zeros(2)})
    )
    moved = state.apply_gradients(tx, {"w": jnp.array([1.0, -2.0])}, {"stats": jnp.ones(1)})
    np.testing.assert_array_equal(moved.params["w"], [0.5, 3.0])
    assert int(moved.step) == 1
    assert moved.variables.keys() == {"params", "stats"}


def test_pixels_go_there_and_back_exactly():
    pixels = np.arange(256, dtype=np.uint8)
    images = np.asarray(from_pixels(jnp.asarray(pixels)))
    assert images.min() == -1
    assert images.max() == 1
    np.testing.assert_allclose(images, np.linspace(-1, 1, 256), atol=1e-7)
    np.testing.assert_array_equal(to_pixels(images), pixels)
    np.testing.assert_array_equal(to_pixels([-9.0, 9.0]), [0, 255])


def numbered_images(num):
    """Images whose first two pixels give their number."""
    images = np.zeros((num, 2, 2, 1), np.uint8)
    images[:, 0, 0, 0], images[:, 0, 1, 0] = np.divmod(np.arange(num), 256)
    return images


def drawn_numbers(source, epoch, seed=0):
    order = jax.jit(source.order)(jax.random.key(seed), epoch)
    batches = [
        source.batch(source.arrays, order, jax.random.key(1), i)
        for i in range(source.batches_per_epoch)
    ]
    pixels = np.concatenate([to_pixels(real) for real, _ in batches]).astype(int)
    return pixels[:, 0, 0, 0] * 256 + pixels[:, 0, 1, 0], [condition for _, condition in batches]


@settings(max_examples=10, deadline=None, derandomize=True)
@given(st.integers(1, 40), st.integers(1, 40), st.integers(1, 3))
def test_an_epoch_shows_every_image_once_a_pass(num, batch_size, repeats):
    images = numbered_images(num)
    if batch_size > num:
        with pytest.raises(ConfigError, match=f"batch_size is {batch_size}, expected 1 to {num}"):
            array_source(images, batch_size)
        return
    source = array_source(images, batch_size, repeats=repeats)
    assert source.batches_per_epoch == repeats * num // batch_size
    numbers, _ = drawn_numbers(source, 0)
    counts = np.bincount(numbers, minlength=num)
    assert counts.max() <= repeats
    assert counts.sum() == source.batches_per_epoch * batch_size
    assert repeats * num - counts.sum() < batch_size


def test_epochs_and_seeds_are_shuffled_differently_and_labels_stay_with_their_images():
    source = array_source(numbered_images(300), 32, labels=np.arange(300) % 7)
    first, labels = drawn_numbers(source, 0)
    np.testing.assert_array_equal(np.concatenate(labels), first % 7)
    for other in (drawn_numbers(source, 1)[0], drawn_numbers(source, 0, seed=1)[0], np.arange(288)):
        assert np.mean(first == other) < 0.1
    np.testing.assert_array_equal(first, drawn_numbers(source, 0)[0])


def test_wrong_images_are_refused():
    images = numbered_images(8)
    with pytest.raises(DtypeError, match="images are float64, expected uint8"):
        array_source(images / 255, 4)
    with pytest.raises(ShapeError, match=r"\[8, 2, 2\], expected \[N, H, W, C\]"):
        array_source(images[..., 0], 4)
    with pytest.raises(ShapeError, match=r"labels have shape \[7\], expected \[8\]"):
        array_source(images, 4, labels=np.zeros(7))
    with pytest.raises(ConfigError, match="repeats is 0"):
        array_source(images, 4, repeats=0)


def test_history_is_read_as_it_was_written_and_cut_back(tmp_path):
    path = tmp_path / "metrics.jsonl"
    assert metric_log.read_columns(path) == {}
    third = float(np.float32(1) / 3)
    metric_log.append_rows(
        path, [{"step": i, "loss": third * i, "finite": True} for i in range(1, 4)]
    )
    metric_log.append_rows(path, [{"step": 4, "loss": -1.0, "finite": False}])
    read = metric_log.read_columns(path)
    np.testing.assert_array_equal(read["loss"], [third, 2 * third, 3 * third, -1])
    assert read["finite"].dtype == bool
    with path.open("a") as file:
        file.write('{"step": 5, "los')  # killed while writing
    metric_log.truncate_after(path, 3)
    assert_same_bits(metric_log.read_columns(path), {name: rows[:3] for name, rows in read.items()})
    metric_log.truncate_after(tmp_path / "none", 3)


def test_a_file_is_replaced_as_a_whole(tmp_path):
    path = tmp_path / "new" / "file"
    _io.write_atomic(path, b"old")
    _io.write_atomic(path, b"new")
    assert path.read_bytes() == b"new"
    assert list(path.parent.iterdir()) == [path]
