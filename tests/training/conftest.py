import pytest

from jaxgan.training.callbacks import Callbacks
from jaxgan.training.loop import train
from jaxgan.training.options import TrainOptions
from tests.helpers.networks import small_gan, tiny_source


@pytest.fixture(scope="session")
def uninterrupted_run(tmp_path_factory):
    """The workdir and the state after 12 train steps in one go; tests must not write there."""
    workdir = tmp_path_factory.mktemp("uninterrupted")
    options = TrainOptions(steps=12, steps_per_block=3)
    gan = small_gan(ema_half_life=100.0)
    state, _ = train(gan, tiny_source(), workdir, options, Callbacks(progress=None))
    return workdir, state
