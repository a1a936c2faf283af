"""Many train steps in one compiled program, of one GAN or of many."""

import itertools
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.sharding import Mesh, NamedSharding

from jaxgan.data.sources import Source
from jaxgan.distributed.multihost import barrier
from jaxgan.distributed.sharding import (
    MEMBER_SPEC,
    REPLICATED,
    identity,
    is_population_mesh,
    replicate,
    state_sharding,
    to_global,
)
from jaxgan.states import GANState
from jaxgan.training.rng import RngStreams

MAX_STEPS = 2**31 - 1  # train steps and batches, because compiled programs count in int32


def plan_blocks(
    step: int, steps: int, steps_per_epoch: int, *lengths: int
) -> Iterator[tuple[int, int, int]]:
    """The blocks that lead from `step` to `steps`, as (epoch, index in it, count).

    None goes over an epoch's end, or over a multiple of any of the lengths within the epoch.
    """
    while step < steps:
        epoch, index = divmod(step, steps_per_epoch)
        count = min(
            steps_per_epoch - index, steps - step, *(length - index % length for length in lengths)
        )
        yield epoch, index, count
        step += count


def maybe_vmap(function: Callable, in_axes: tuple[int | None, ...], population: bool) -> Callable:
    """The function for one GAN, or for each of a population."""
    return jax.vmap(function, in_axes) if population else function


def make_train_block(
    train_step: Callable, source: Source, length: int, d_steps: int = 1, *, population: bool = False
) -> Callable:
    """One compiled program that runs up to `length` train steps.

    However many it is asked for, each runs through the same instructions, so blocks of any lengths lead to the same
    bits. It is compiled under `jax.set_mesh`, over whose devices the batches are shared out, or the members of a
    population. On a CPU device members run through the block one after another, because its caches hold the state of
    one; elsewhere at once.

    Returns:
      `(state, keys, arrays, order, epoch, index, count) -> (state, metrics [length])`: train steps `index` to
      `index + count` of an epoch. The numbers are int32; the state is donated; metrics from `count` on are 0. Of a
      population the state, the keys and the order have a first axis, and the metrics are means over it.
    """
    steps_per_epoch = source.batches_per_epoch // d_steps

    def one(state, keys, arrays, order, index):
        batch_keys, play_key = keys
        batches = [
            source.batch(arrays, order, batch_keys[i], index * d_steps + i) for i in range(d_steps)
        ]
        real, condition = jax.tree.map(lambda *rows: jnp.stack(rows), *batches)
        return train_step(state, real, play_key, condition)

    def block(state, keys, arrays, order, epoch, index, count):
        def keys_at(
            i,
        ):  # of clones, because jax_debug_key_reuse takes one key of an array for all of them
            return jax.tree.map(lambda k: jax.random.clone(k)[i], step_keys)

        def run(i, carry):
            state, metrics = one(carry[0], keys_at(i), arrays, order, index + i)
            return replicate(state), jax.tree.map(
                lambda rows, row: rows.at[i].set(row), carry[1], metrics
            )

        step_keys = fold_in_steps(
            keys, epoch * steps_per_epoch + index + jnp.arange(length, dtype=jnp.int32), d_steps
        )
        _, metrics = jax.eval_shape(one, state, jax.eval_shape(keys_at, 0), arrays, order, index)
        rows = jax.tree.map(lambda m: jnp.zeros((length, *m.shape), m.dtype), metrics)
        # The count is an argument: a loop of known length would be compiled another way, and round another way.
        return replicate(jax.lax.fori_loop(0, count, run, (state, rows)))

    def blocks(state, keys, arrays, order, *place):
        def share(state, keys, order, arrays, *place):
            def member(state, keys, order):
                return block(state, keys, arrays, order, *place)

            def in_turn(*members):
                return jax.lax.map(lambda arguments: member(*arguments), members)

            return jax.lax.platform_dependent(
                state, keys, order, cpu=in_turn, default=jax.vmap(member)
            )

        own, common = (MEMBER_SPEC,) * 3, (REPLICATED,) * (1 + len(place))
        shares = jax.shard_map(share, in_specs=own + common, out_specs=MEMBER_SPEC, check_vma=False)
        states, metrics = shares(state, keys, order, arrays, *place)
        return states, jax.lax.with_sharding_constraint(
            jax.tree.map(reduce_members, metrics), REPLICATED
        )

    return jax.jit(blocks if population else block, donate_argnums=0)


def fold_in_steps(keys: RngStreams, steps: jax.Array, d_steps: int) -> tuple[jax.Array, jax.Array]:
    """The keys of train steps `[n]`: of their batches, `[n, d_steps]`, and of what the players draw, `[n]`.

    All at once, because on a CPU every fold is a loop of its own, and small train steps would do little else.
    """
    fold = jax.vmap(jax.random.fold_in, (None, 0))
    batches = steps[:, None] * d_steps + jnp.arange(d_steps, dtype=jnp.int32)[None]
    return jax.vmap(fold, (None, 0))(keys.batch, batches), fold(keys.play, steps)


def reduce_members(metric: jax.Array) -> jax.Array:
    """Of a metric of each member of a population: whether it is true of all, or their mean."""
    return jnp.all(metric, 0) if metric.dtype == bool else jnp.mean(metric, 0)


def run_blocks(
    play: Callable,
    source: Source,
    keys: RngStreams,
    state: GANState,
    blocks: Iterable[tuple[int, int, int]],
    mesh: Mesh,
    d_steps: int = 1,
) -> Iterator:
    """Runs blocks on a mesh's devices, yielding after each (state, lines of metrics, timing).

    The program is compiled before the first. The state given is the mesh's, and is donated.
    """
    place, compiled = state_sharding(mesh), None
    order_of = jax.jit(
        maybe_vmap(source.order, (0, None), is_population_mesh(mesh)), out_shardings=place
    )
    fed = feed_blocks(source, keys, blocks, mesh, d_steps)
    keys = jax.jit(identity, out_shardings=place)(
        keys
    )  # `laid_out` takes no keys to other processes' devices
    for (epoch, index, count), arrays in fed:
        if compiled is None or index == 0:
            order = order_of(keys.order, np.int32(epoch))
        arguments = (state, keys, arrays, order, *map(np.int32, (epoch, index, count)))
        timing = {"steps": count, "compile_seconds": 0.0}
        began = time.perf_counter()
        if compiled is None:
            with jax.set_mesh(mesh):
                compiled = play.lower(*arguments).compile()
            barrier("all have compiled")
            timing["compile_seconds"] = time.perf_counter() - began
        state, metrics = compiled(*arguments)
        metrics = jax.device_get(metrics)
        timing["seconds"] = time.perf_counter() - began - timing["compile_seconds"]
        yield state, metrics_to_rows(metrics, count), timing


def feed_blocks(
    source: Source,
    keys: RngStreams,
    blocks: Iterable[tuple[int, int, int]],
    mesh: Mesh,
    d_steps: int,
) -> Iterator[tuple[tuple[int, int, int], Any]]:
    """The blocks, each with the arrays that it takes its batches from."""
    if source.stream is None:
        return zip(
            blocks, itertools.repeat(to_global(source.arrays, NamedSharding(mesh, REPLICATED)))
        )
    blocks = list(blocks)
    return zip(blocks, source.stream(keys.order, blocks, d_steps, mesh), strict=True)


def metrics_to_rows(metrics: dict[str, dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """`{"d": {"loss": [length]}}` as a `{"d_loss": …}` for each of the first `count` train steps."""
    flat = {
        f"{player}_{name}": rows[:count].tolist()
        for player, named in metrics.items()
        for name, rows in named.items()
    }
    return [dict(zip(flat, row, strict=True)) for row in zip(*flat.values(), strict=True)]
