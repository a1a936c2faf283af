"""Blocks: many train steps in one compiled program, of one GAN or of a population."""

from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp

from jaxgan.data.sources import Source
from jaxgan.distributed.sharding import MEMBER_SPEC, REPLICATED, replicate
from jaxgan.states import GANState
from jaxgan.training.rng import RngStreams


def plan_blocks(
    step: int, steps: int, steps_per_epoch: int, *lengths: int, stop_every: int | None = None
) -> Iterator[tuple[int, int, int]]:
    """Plans the blocks of train steps from `step` to `steps`.

    Args:
      step: Number of train steps done.
      steps: Total number of train steps.
      steps_per_epoch: Train steps per epoch. A block ends at the end of an epoch.
      *lengths: A block also ends at multiples of each of these, counted from the start of the
        epoch.
      stop_every: If given, a block also ends at multiples of this, counted from the start of the
        run.

    Yields:
      `(epoch, index, count)`: the epoch of a block, the index of its first train step in the
      epoch, and its number of train steps.
    """
    while step < steps:
        epoch, index = divmod(step, steps_per_epoch)
        limits = [steps_per_epoch - index, steps - step]
        limits += [length - index % length for length in lengths]
        limits += [] if stop_every is None else [stop_every - step % stop_every]
        yield epoch, index, min(limits)
        step += min(limits)


def maybe_vmap(function: Callable, in_axes: tuple[int | None, ...], population: bool) -> Callable:
    """Returns `function`, mapped over the members with `jax.vmap` if `population` is true."""
    return jax.vmap(function, in_axes) if population else function


def make_train_block(
    train_step: Callable,
    source: Source,
    length: int,
    d_steps: int = 1,
    *,
    population: bool = False,
) -> Callable:
    """Returns a jit-compiled function that runs up to `length` train steps.

    The number of train steps is an argument of the compiled program, so every step runs the same
    instructions, and blocks of any lengths compose to the same bits. The function must be compiled
    under `jax.set_mesh`; batches or members are sharded over the devices of that mesh.

    Args:
      train_step: The return value of `make_train_step`.
      source: The source of the batches.
      length: Maximum number of train steps per call.
      d_steps: Batches per train step.
      population: Whether the state has a leading axis of members.

    Returns:
      `(state, streams, arrays, order, epoch, index, count) -> (state, metrics [length])`, which
      runs the train steps `index` to `index + count - 1` of an epoch. The integers are int32. The
      state is donated. The metrics are 0 from index `count` on. For a population, the state, the
      streams and the order have a leading axis of members, and the metrics are means over it.
    """
    block = partial(run_steps, train_step, source, length, d_steps)
    return jax.jit(partial(run_members, block) if population else block, donate_argnums=0)


def run_steps(
    train_step: Callable,
    source: Source,
    length: int,
    d_steps: int,
    state: GANState,
    streams: RngStreams,
    arrays: Any,
    order: Any,
    epoch: jax.Array,
    index: jax.Array,
    count: jax.Array,
) -> tuple[GANState, dict[str, Any]]:
    """Runs the train steps of a block for one GAN; see `make_train_block`."""
    steps_per_epoch = source.batches_per_epoch // d_steps
    numbers = epoch * steps_per_epoch + index + jnp.arange(length, dtype=jnp.int32)
    all_keys = fold_in_steps(streams, numbers, d_steps)

    def keys_at(i):
        # Cloned, because jax_debug_key_reuse counts the use of one entry as a use of all.
        return jax.tree.map(lambda keys: jax.random.clone(keys)[i], all_keys)

    def step_at(state, keys, index):
        batch_keys, step_key = keys
        batches = [
            source.batch(arrays, order, batch_keys[i], index * d_steps + i) for i in range(d_steps)
        ]
        real, condition = jax.tree.map(lambda *rows: jnp.stack(rows), *batches)
        return train_step(state, real, step_key, condition)

    def body(i, carry):
        state, metrics = step_at(carry[0], keys_at(i), index + i)
        rows = jax.tree.map(lambda rows, row: rows.at[i].set(row), carry[1], metrics)
        return replicate(state), rows

    _, metrics = jax.eval_shape(step_at, state, jax.eval_shape(keys_at, 0), index)
    rows = jax.tree.map(lambda m: jnp.zeros((length, *m.shape), m.dtype), metrics)
    # `count` is an argument because XLA would compile a loop of constant length differently, with
    # different rounding.
    return replicate(jax.lax.fori_loop(0, count, body, (state, rows)))


def run_members(
    block: Callable,
    state: GANState,
    streams: RngStreams,
    arrays: Any,
    order: Any,
    *position: jax.Array,
) -> tuple[GANState, dict[str, Any]]:
    """Runs a block for every member of a population; each device runs its own members."""
    in_specs = (MEMBER_SPEC,) * 3 + (REPLICATED,) * (1 + len(position))
    run_local = jax.shard_map(
        partial(run_local_members, block),
        in_specs=in_specs,
        out_specs=MEMBER_SPEC,
        check_vma=False,
    )
    states, metrics = run_local(state, streams, order, arrays, *position)
    means = jax.tree.map(reduce_members, metrics)
    return states, jax.lax.with_sharding_constraint(means, REPLICATED)


def run_local_members(
    block: Callable,
    state: GANState,
    streams: RngStreams,
    order: Any,
    arrays: Any,
    *position: jax.Array,
) -> tuple[GANState, dict[str, Any]]:
    """Runs a block for the members on one device: on a CPU one by one, elsewhere all at once."""

    def run_member(member):
        state, streams, order = member
        return block(state, streams, arrays, order, *position)

    def one_by_one(*members):  # the state of one member stays in the CPU's caches
        return jax.lax.map(run_member, members)

    def all_at_once(*members):
        return jax.vmap(run_member)(members)

    return jax.lax.platform_dependent(state, streams, order, cpu=one_by_one, default=all_at_once)


def fold_in_steps(
    streams: RngStreams, steps: jax.Array, d_steps: int
) -> tuple[jax.Array, jax.Array]:
    """Returns the keys of train steps `[n]`: batch keys `[n, d_steps]` and step keys `[n]`.

    All keys are computed at once because on CPUs each `fold_in` is a loop of its own, which would
    dominate small train steps.
    """
    fold_in = jax.vmap(jax.random.fold_in, (None, 0))
    batches = steps[:, None] * d_steps + jnp.arange(d_steps, dtype=jnp.int32)[None]
    return jax.vmap(fold_in, (None, 0))(streams.batch, batches), fold_in(streams.step, steps)


def reduce_members(metric: jax.Array) -> jax.Array:
    """Reduces a metric over its leading axis of members: by `all` for booleans, else the mean."""
    return jnp.all(metric, 0) if metric.dtype == bool else jnp.mean(metric, 0)


def metrics_to_rows(metrics: dict[str, dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """Converts `{"d": {"loss": [length]}, …}` to `[{"d_loss": …, …}, …]` for `count` steps."""
    columns = {
        f"{network}_{name}": values[:count].tolist()
        for network, named in metrics.items()
        for name, values in named.items()
    }
    return [dict(zip(columns, row, strict=True)) for row in zip(*columns.values(), strict=True)]
