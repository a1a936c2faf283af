import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from jaxgan import models, optimizers
from jaxgan.data.sources import synthetic_source
from jaxgan.training.callbacks import Callbacks
from jaxgan.training.hints import parameter_checksums, unchanged_hint
from jaxgan.training.loop import train
from jaxgan.training.options import TrainOptions
from tests.helpers.networks import SHAPE, real_batch, tiny_gan, tiny_source


def run(workdir, gan, source, **options):
    """Returns the messages of a run, but the first, which says that it starts."""
    messages = []
    callbacks = Callbacks(progress=None, log=messages.append)
    train(gan, source, workdir, TrainOptions(**({"steps": 5} | options)), callbacks)
    return messages[1:]


def uniform_source(low, high):
    def sample(key, num):
        return jax.random.uniform(key, (num, *SHAPE), jnp.float32, low, high)

    return synthetic_source(sample, 8, 5)


def generator(output):
    return models.MLPGenerator(shape=SHAPE, widths=(8,), output=output)


@pytest.mark.parametrize(
    ("output", "low", "high", "hinted"),
    [
        (jnp.tanh, -1, 1, False),
        (jnp.tanh, 0, 1, True),
        (jnp.tanh, 0, 255, True),
        (nn.sigmoid, 0, 1, False),
        (nn.sigmoid, 0, 255, True),
        (jax.nn.identity, 0, 255, False),
    ],
)
def test_data_range_hint_compares_data_with_the_generators_range(
    tmp_path, output, low, high, hinted
):
    messages = run(tmp_path, tiny_gan(generator=generator(output)), uniform_source(low, high))
    assert [m for m in messages if "Scale the data to the range" in m] == messages
    assert len(messages) == hinted


@pytest.mark.stress
def test_data_range_hint_is_given_for_populations(tmp_path):
    messages = run(tmp_path, tiny_gan(), uniform_source(0, 1), num_seeds=2)
    assert len(messages) == 1
    assert "bounded by -1 and 1" in messages[0]


def test_unchanged_hint_is_given_once_for_a_learning_rate_of_0(tmp_path):
    gan = tiny_gan(d_tx=optimizers.adam(0.0))
    messages = run(tmp_path, gan, tiny_source(), steps=15)
    assert len(messages) == 1
    assert "The parameters of the discriminator have not changed in the last 5" in messages[0]


def test_unchanged_hint_needs_equal_parameters():
    state = tiny_gan().init(jax.random.key(0), real_batch())
    checksums = parameter_checksums(state)
    moved = state.replace(g=state.g.replace(params=jax.tree.map(lambda x: x + 1, state.g.params)))
    assert unchanged_hint(checksums, parameter_checksums(moved), 7) is not None
    assert "generator" not in unchanged_hint(checksums, parameter_checksums(moved), 7)
    assert unchanged_hint({}, checksums, 7) is None
    assert np.unique(list(checksums.values())).size == 2
