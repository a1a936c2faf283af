from concurrent.futures import ThreadPoolExecutor

import jax
import numpy as np
import pytest

from jaxgan import make_population, optimizers
from jaxgan.errors import ConfigError
from jaxgan.training.callbacks import Callbacks
from jaxgan.training.checkpoints import Checkpoints
from jaxgan.training.loop import train
from jaxgan.training.options import TrainOptions
from jaxgan.training.program import (
    init_or_restore,
    make_program,
    run_blocks,
    start_compiling,
    zeros_like_batch,
)
from tests.helpers.networks import SHAPE, assert_same_bits, small_gan, tiny_gan, tiny_source

SOURCE = tiny_source()  # 5 train steps per epoch
SILENT = Callbacks(progress=None)


def build_member(hyperparams):
    return tiny_gan(g_tx=optimizers.adam(hyperparams["g_learning_rate"]))


def make_members(*learning_rates):
    return make_population(build_member, {"g_learning_rate": list(learning_rates)})


def test_init_or_restore_gives_both_states_to_one_compiled_program(tmp_path):
    gan, options = small_gan(ema_half_life=100.0), TrainOptions(steps=5)
    train(gan, SOURCE, tmp_path, options, SILENT)
    program = make_program(gan, SOURCE, options)
    order = SOURCE.order(program.streams.shuffle, 0)
    for name, expected_step in (("checkpoints", 5), ("missing", 0)):
        with Checkpoints(tmp_path / name) as checkpoints:
            state, step = init_or_restore(program, checkpoints)
        assert step == expected_step
        position = map(np.int32, (1, 0, 1))
        program.train_block(state, program.streams, SOURCE.arrays, order, *position)
    assert program.train_block._cache_size() == 1


def test_run_blocks_compiles_once_and_times_every_block(tmp_path):
    program = make_program(tiny_gan(), SOURCE, TrainOptions(steps=3, steps_per_block=2))
    with Checkpoints(tmp_path / "checkpoints") as checkpoints:
        state, _ = init_or_restore(program, checkpoints)
    results = list(run_blocks(program, state, [(0, 0, 2), (0, 2, 1)]))
    assert [len(rows) for _, rows, _ in results] == [2, 1]
    timings = [timing for _, _, timing in results]
    assert [timing["steps"] for timing in timings] == [2, 1]
    assert [timing["compile_seconds"] > 0 for timing in timings] == [True, False]


@pytest.mark.parametrize("num_seeds", [None, 2])
def test_start_compiling_compiles_the_program_of_the_first_block(tmp_path, num_seeds):
    gan = tiny_gan(ema_half_life=100.0)
    options, results = TrainOptions(steps=3, num_seeds=num_seeds), []
    with Checkpoints(tmp_path / "checkpoints") as checkpoints, ThreadPoolExecutor() as executor:
        for compile_fn in (lambda *arguments: None, start_compiling):
            program = make_program(gan, SOURCE, options)
            compiling = compile_fn(program, executor)
            state, _ = init_or_restore(program, checkpoints)
            results.append(list(run_blocks(program, state, [(0, 0, 2), (0, 2, 1)], compiling)))
    (before, rows_before, _), (after, rows_after, _) = (result[-1] for result in results)
    assert_same_bits(after, before)
    assert rows_after == rows_before


def test_start_compiling_leaves_streaming_sources_to_the_first_block():
    source = SOURCE._replace(stream=lambda *arguments: iter(()))
    program = make_program(tiny_gan(), source, TrainOptions(steps=1))
    with ThreadPoolExecutor() as executor:
        assert start_compiling(program, executor) is None


def test_make_program_shortens_the_block_to_the_epoch():
    program = make_program(tiny_gan(), SOURCE, TrainOptions(steps=1, d_steps=2))
    assert (program.d_steps, program.steps_per_epoch) == (2, 2)


@pytest.mark.parametrize("num_seeds", [None, 3])
def test_make_program_refuses_another_number_of_members(num_seeds):
    message = f"num_seeds is {num_seeds}, expected 2, the number of members"
    with pytest.raises(ConfigError, match=message):
        make_program(make_members(1e-3, 1e-4), SOURCE, TrainOptions(steps=1, num_seeds=num_seeds))


def test_make_program_refuses_a_population_on_a_streaming_source():
    source = SOURCE._replace(stream=lambda *args: iter(()))
    message = "num_seeds is 2, but a streaming source feeds only one GAN"
    with pytest.raises(ConfigError, match=message):
        make_program(tiny_gan(), source, TrainOptions(steps=1, num_seeds=2))


def test_make_program_refuses_more_devices_than_there_are():
    with pytest.raises(ConfigError, match="num_devices is 64, expected 1 to 2"):
        make_program(tiny_gan(), SOURCE, TrainOptions(steps=1, num_devices=64))


def test_zeros_like_batch_has_the_shapes_and_dtypes_of_a_batch():
    labels = np.arange(40) % 10
    real, condition = zeros_like_batch(tiny_source(labels=labels.astype(np.int32)))
    assert_same_bits(real, jax.numpy.zeros((8, *SHAPE)))
    assert (condition.shape, condition.dtype) == ((8,), np.int32)
    assert zeros_like_batch(SOURCE)[1] is None
