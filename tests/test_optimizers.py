import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan import optimizers
from jaxgan.errors import ConfigError


def compute_updates(tx, gradients):
    """Returns the updates that an optimizer computes from a sequence of scalar gradients."""
    state, updates = tx.init(jnp.zeros(())), []
    for gradient in gradients:
        update, state = tx.update(jnp.asarray(gradient, jnp.float32), state, jnp.zeros(()))
        updates.append(float(update))
    return updates


def test_adam_follows_kingma_and_ba_with_b1_one_half():
    m = v = 0.0
    expected = []
    gradients = [0.3, -2.0, 5.0, 0.01]
    for t, g in enumerate(gradients, 1):
        m, v = 0.5 * m + 0.5 * g, 0.999 * v + 0.001 * g * g
        expected.append(-0.1 * (m / (1 - 0.5**t)) / (np.sqrt(v / (1 - 0.999**t)) + 1e-8))
    updates = compute_updates(optimizers.adam(0.1), gradients)
    np.testing.assert_allclose(updates, expected, rtol=1e-5)


def test_rmsprop_follows_pytorch():
    v, expected = 0.0, []
    gradients = [1e-7, 0.3, -2.0, 5.0]  # the first one shows where epsilon is added
    for g in gradients:
        v = 0.99 * v + 0.01 * g * g
        expected.append(-0.1 * g / (np.sqrt(v) + 1e-8))
    updates = compute_updates(optimizers.rmsprop(0.1), gradients)
    np.testing.assert_allclose(updates, expected, rtol=1e-5)


def test_clip_weights_clips_every_parameter():
    clipped = optimizers.clip_weights(0.5)({"w": jnp.array([-2.0, 0.1]), "b": jnp.array([0.6])})
    np.testing.assert_array_equal(clipped["w"], jnp.array([-0.5, 0.1]))
    np.testing.assert_array_equal(clipped["b"], [0.5])


@pytest.mark.parametrize("number", [-1, -0.5, np.float32(-2), np.int64(-3), float("nan")])
def test_optimizers_raise_if_a_number_is_out_of_its_range(number):
    with pytest.raises(ConfigError, match=f"learning_rate is {number}, expected at least 0"):
        optimizers.adam(number)
    with pytest.raises(ConfigError, match=f"decay is {number}, expected at least 0 and below 1"):
        optimizers.rmsprop(1e-3, decay=number)
    with pytest.raises(ConfigError, match=f"limit is {number}, expected a number above 0"):
        optimizers.clip_weights(number)
