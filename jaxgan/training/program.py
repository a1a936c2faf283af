"""The program of a run: the compiled train steps, the data, the random keys and the devices."""

import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Executor, Future
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.stages import Compiled

from jaxgan.data.sources import Source
from jaxgan.distributed.multihost import assert_equal, barrier
from jaxgan.distributed.sharding import (
    BATCH_SPEC,
    MEMBER_SPEC,
    REPLICATED,
    identity,
    is_population_mesh,
    make_mesh,
    state_sharding,
    to_global,
    to_host_local,
)
from jaxgan.errors import CheckpointError, ConfigError
from jaxgan.gan import GAN
from jaxgan.states import GANState
from jaxgan.train_step import make_train_step
from jaxgan.training.blocks import make_train_block, maybe_vmap, metrics_to_rows
from jaxgan.training.checkpoints import Checkpoints
from jaxgan.training.nonfinite import skip_nonfinite_updates
from jaxgan.training.options import LoopOptions, TrainOptions
from jaxgan.training.rng import RngStreams, make_rng_streams

Batch = tuple[jax.Array, jax.Array | None]


class Program(NamedTuple):
    """The compiled train steps of a run, and what they need.

    Attributes:
      gan: The GAN; with `on_nonfinite="skip"`, one that skips non-finite updates.
      original_gan: The GAN that was passed to `train`.
      source: The data.
      streams: The random keys.
      mesh: The devices, with an axis "data" for one GAN or "member" for a population.
      train_block: The return value of `make_train_block`.
      d_steps: Batches per train step.
      steps_per_epoch: Train steps per epoch. The last batches of an epoch are not used if they are
        too few for a train step.
    """

    gan: GAN
    original_gan: GAN
    source: Source
    streams: RngStreams
    mesh: Mesh
    train_block: Callable
    d_steps: int
    steps_per_epoch: int


def make_program(gan: GAN, source: Source, options: TrainOptions) -> Program:
    """Builds the program of a run; nothing is compiled or written yet.

    Raises:
      ConfigError: If the options do not fit the GAN, the source or the devices, or differ between
        the processes of the run.
    """
    population = options.num_seeds is not None
    steps_per_epoch = count_steps_per_epoch(source, options)
    members = None if gan.hyperparams is None else len(jax.tree.leaves(gan.hyperparams)[0])
    if members not in (None, options.num_seeds):
        raise ConfigError(
            f"num_seeds is {options.num_seeds}, expected {members}, the number of members of the "
            "GAN"
        )
    mesh = make_run_mesh(source, options)
    original_gan = gan
    if options.on_nonfinite == "skip":
        gan = skip_nonfinite_updates(gan)
    train_step = make_train_step(
        gan,
        options.d_steps,
        options.g_steps,
        update_order=options.update_order,
        share_noise=options.share_noise,
    )
    # At least 2, because XLA compiles arrays of length 1 differently, with different rounding.
    length = max(2, min(options.steps_per_block, steps_per_epoch))
    block = make_train_block(train_step, source, length, options.d_steps, population=population)
    assert_equal("options", f"{options} {mesh}")
    streams = make_rng_streams(options.seed, options.num_seeds)
    check_batch_norm(original_gan, source)
    return Program(
        gan, original_gan, source, streams, mesh, block, options.d_steps, steps_per_epoch
    )


def count_steps_per_epoch(source: Source, options: LoopOptions) -> int:
    """Returns the train steps per epoch. Raises ConfigError if an epoch is too short for one."""
    if source.batches_per_epoch < options.d_steps:
        raise ConfigError(
            f"an epoch has {source.batches_per_epoch} batches, but a train step takes "
            f"{options.d_steps} (d_steps); use a smaller batch size"
        )
    return source.batches_per_epoch // options.d_steps


def check_batch_norm(gan: GAN, source: Source) -> None:
    """Raises ConfigError for a batch size of 1 if a network has batch normalization.

    After a dense layer, batch normalization maps a single sample to 0, so samples would not depend
    on z.
    """
    batch = zeros_like_batch(source)
    if len(batch[0]) > 1:
        return
    state = jax.eval_shape(gan.init, jax.random.key(0), *batch)
    for name, network in (("generator", state.g), ("discriminator", state.d)):
        paths = jax.tree_util.tree_leaves_with_path(network.model_state)
        if any(jax.tree_util.keystr(path).endswith("['mean']") for path, _ in paths):
            raise ConfigError(
                f"the batch size is 1, but the {name} has batch normalization, which needs the "
                "statistics of several samples; use a batch size of at least 2"
            )


def make_run_mesh(source: Source, options: LoopOptions) -> Mesh:
    """Returns the mesh of a run. Raises ConfigError if it does not divide the work evenly."""
    if options.num_seeds is None:
        return make_mesh(BATCH_SPEC, len(zeros_like_batch(source)[0]), options.num_devices)
    if source.stream is not None:
        raise ConfigError(
            f"num_seeds is {options.num_seeds}, but a streaming source feeds only one GAN; leave "
            "out num_seeds, or use a source in memory"
        )
    return make_mesh(MEMBER_SPEC, options.num_seeds, options.num_devices)


def zeros_like_batch(source: Source) -> Batch:
    """Returns zeros with the shapes and dtypes of the source's batches."""
    streams = jax.eval_shape(make_rng_streams, 0)
    order = jax.eval_shape(source.order, streams.shuffle, 0)
    batch = jax.eval_shape(source.batch, source.arrays, order, streams.batch, 0)
    return jax.tree.map(lambda x: np.zeros(x.shape, x.dtype), batch)


def init_or_restore(
    program: Program, checkpoints: Checkpoints, log_fn: Callable[[str], None] = print
) -> tuple[GANState, int]:
    """Returns the state and train step of the latest intact checkpoint, or a new state and 0.

    Both have the sharding that `run_blocks` expects.

    Raises:
      CheckpointError: If the checkpoint belongs to other networks, optimizers or hyperparameters.
    """
    gan, batch = program.gan, zeros_like_batch(program.source)
    restored = checkpoints.restore_latest(abstract_state(program), log_fn)
    if restored is None:
        init = maybe_vmap(gan.init, (0, None, None), is_population_mesh(program.mesh))
        # Copied, because the state is donated, and the hyperparameters serve every run of the GAN.
        hyperparams = jax.tree.map(jnp.copy, gan.hyperparams)
        state = init(program.streams.init, *batch).replace(hyperparams=hyperparams)
        return to_global(state, state_sharding(program.mesh)), 0
    saved = to_host_local(restored[0].hyperparams)
    if not jax.tree.all(jax.tree.map(np.array_equal, saved, gan.hyperparams)):
        raise CheckpointError(
            f"the members of the checkpoint have the hyperparameters {saved}, those of the GAN "
            f"have {gan.hyperparams}; use those of the checkpoint, or another workdir"
        )
    return restored


def start_compiling(program: Program, executor: Executor) -> Future[Compiled] | None:
    """Traces the train block, and compiles it in another thread.

    Meanwhile, the first networks and figures are made: XLA compiles each program on one core.

    Returns:
      The compiled train block, as a future. None for a streaming source, whose arrays are not known
      before the first block; `run_blocks` compiles it then.
    """
    if program.source.stream is not None:
        return None
    sharding = state_sharding(program.mesh)
    replicated = NamedSharding(program.mesh, REPLICATED)
    state = abstract_state(program)
    order = jax.eval_shape(make_order_fn(program), program.streams.shuffle, np.int32(0))
    streams, order = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=sharding),
        (program.streams, order),
    )
    arrays = jax.tree.map(
        lambda x: jax.ShapeDtypeStruct(x.shape, x.dtype, sharding=replicated), program.source.arrays
    )
    position = (np.int32(0),) * 3
    with jax.set_mesh(program.mesh):
        lowered = program.train_block.lower(state, streams, arrays, order, *position)
    return executor.submit(lowered.compile)


def abstract_state(program: Program) -> GANState:
    """Returns the shapes, dtypes and sharding of a run's state, as `ShapeDtypeStruct`."""
    batch = zeros_like_batch(program.source)
    init = maybe_vmap(program.gan.init, (0, None, None), is_population_mesh(program.mesh))
    shapes = jax.eval_shape(init, program.streams.init, *batch)
    return jax.tree.map(lambda x: x.update(sharding=state_sharding(program.mesh)), shapes)


def make_order_fn(program: Program) -> Callable:
    """Returns the compiled function `order` of a source, for every member of a population."""
    return jax.jit(
        maybe_vmap(program.source.order, (0, None), is_population_mesh(program.mesh)),
        out_shardings=state_sharding(program.mesh),
    )


def run_blocks(
    program: Program,
    state: GANState,
    blocks: Iterable[tuple[int, int, int]],
    compiling: Future[Compiled] | None = None,
) -> Iterator[tuple[GANState, list[dict[str, Any]], dict[str, float]]]:
    """Runs blocks of train steps.

    Args:
      program: See `Program`.
      state: The state, sharded as `init_or_restore` returns it; donated.
      blocks: The blocks, as `plan_blocks` yields them.
      compiling: The return value of `start_compiling`. None compiles before the first block.

    Yields:
      After each block the state, one row of metrics per train step, and the block's timing:
      `steps`, `seconds`, and `compile_seconds`, the time spent waiting for the compiler.
    """
    compiled = None
    order_fn = make_order_fn(program)
    # Through jit, because `to_global` cannot place keys on the devices of other processes.
    streams = jax.jit(identity, out_shardings=state_sharding(program.mesh))(program.streams)
    for (epoch, index, count), arrays in feed_blocks(program, blocks):
        if compiled is None or index == 0:
            order = order_fn(program.streams.shuffle, np.int32(epoch))
        arguments = (state, streams, arrays, order, *map(np.int32, (epoch, index, count)))
        timing = {"steps": count, "compile_seconds": 0.0}
        start = time.perf_counter()
        if compiled is None:
            if compiling is None:
                with jax.set_mesh(program.mesh):
                    compiled = program.train_block.lower(*arguments).compile()
            else:
                compiled = compiling.result()
            barrier("train block compiled")
            timing["compile_seconds"] = time.perf_counter() - start
        state, metrics = compiled(*arguments)
        metrics = jax.device_get(metrics)
        timing["seconds"] = time.perf_counter() - start - timing["compile_seconds"]
        yield state, metrics_to_rows(metrics, count), timing


def feed_blocks(
    program: Program, blocks: Iterable[tuple[int, int, int]]
) -> Iterable[tuple[tuple[int, int, int], Any]]:
    """Pairs each block with the arrays from which it takes its batches."""
    source, mesh = program.source, program.mesh
    if source.stream is None:
        arrays = to_global(source.arrays, NamedSharding(mesh, REPLICATED))
        return zip(blocks, itertools.repeat(arrays))
    blocks = list(blocks)
    stream = source.stream(program.streams.shuffle, blocks, program.d_steps, mesh)
    return zip(blocks, stream, strict=True)
