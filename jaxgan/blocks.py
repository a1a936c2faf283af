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
from jaxgan.keys import Keys
from jaxgan.processes import meet
from jaxgan.sharing import MEMBERS, SAME, as_it_is, has_members, laid_out, place_of_state, same_everywhere
from jaxgan.states import GANState

MOST = 2**31 - 1  # train steps and batches, because compiled programs count in int32


def plan(step: int, steps: int, steps_per_epoch: int, *lengths: int) -> Iterator[tuple[int, int, int]]:
    """The blocks that lead from `step` to `steps`, as (epoch, index in it, count).

    None goes over an epoch's end, or over a multiple of any of the lengths within the epoch.
    """
    while step < steps:
        epoch, index = divmod(step, steps_per_epoch)
        count = min(steps_per_epoch - index, steps - step, *(length - index % length for length in lengths))
        yield epoch, index, count
        step += count


def over_seeds(function: Callable, in_axes: tuple[int | None, ...], population: bool) -> Callable:
    """The function for one GAN, or for each of a population."""
    return jax.vmap(function, in_axes) if population else function


def make_block(
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
    steps_per_epoch = source.batches // d_steps

    def one(state, keys, arrays, order, index):
        batch_keys, play_key = keys
        batches = [source.batch(arrays, order, batch_keys[i], index * d_steps + i) for i in range(d_steps)]
        real, condition = jax.tree.map(lambda *rows: jnp.stack(rows), *batches)
        return train_step(state, real, play_key, condition)

    def block(state, keys, arrays, order, epoch, index, count):
        def keys_at(i):  # of clones, because jax_debug_key_reuse takes one key of an array for all of them
            return jax.tree.map(lambda k: jax.random.clone(k)[i], step_keys)

        def run(i, carry):
            state, metrics = one(carry[0], keys_at(i), arrays, order, index + i)
            return same_everywhere(state), jax.tree.map(lambda rows, row: rows.at[i].set(row), carry[1], metrics)

        step_keys = keys_of_steps(keys, epoch * steps_per_epoch + index + jnp.arange(length, dtype=jnp.int32), d_steps)
        _, metrics = jax.eval_shape(one, state, jax.eval_shape(keys_at, 0), arrays, order, index)
        rows = jax.tree.map(lambda m: jnp.zeros((length, *m.shape), m.dtype), metrics)
        # The count is an argument: a loop of known length would be compiled another way, and round another way.
        return same_everywhere(jax.lax.fori_loop(0, count, run, (state, rows)))

    def blocks(state, keys, arrays, order, *place):
        def share(state, keys, order, arrays, *place):
            def member(state, keys, order):
                return block(state, keys, arrays, order, *place)

            def in_turn(*members):
                return jax.lax.map(lambda arguments: member(*arguments), members)

            return jax.lax.platform_dependent(state, keys, order, cpu=in_turn, default=jax.vmap(member))

        own, common = (MEMBERS,) * 3, (SAME,) * (1 + len(place))
        shares = jax.shard_map(share, in_specs=own + common, out_specs=MEMBERS, check_vma=False)
        states, metrics = shares(state, keys, order, arrays, *place)
        return states, jax.lax.with_sharding_constraint(jax.tree.map(summary, metrics), SAME)

    return jax.jit(blocks if population else block, donate_argnums=0)


def keys_of_steps(keys: Keys, steps: jax.Array, d_steps: int) -> tuple[jax.Array, jax.Array]:
    """The keys of train steps `[n]`: of their batches, `[n, d_steps]`, and of what the players draw, `[n]`.

    All at once, because on a CPU every fold is a loop of its own, and small train steps would do little else.
    """
    fold = jax.vmap(jax.random.fold_in, (None, 0))
    batches = steps[:, None] * d_steps + jnp.arange(d_steps, dtype=jnp.int32)[None]
    return jax.vmap(fold, (None, 0))(keys.batch, batches), fold(keys.play, steps)


def summary(metric: jax.Array) -> jax.Array:
    """Of a metric of each member of a population: whether it is true of all, or their mean."""
    return jnp.all(metric, 0) if metric.dtype == bool else jnp.mean(metric, 0)


def play_blocks(
    play: Callable,
    source: Source,
    keys: Keys,
    state: GANState,
    blocks: Iterable[tuple[int, int, int]],
    mesh: Mesh,
    d_steps: int = 1,
) -> Iterator:
    """Runs blocks on a mesh's devices, yielding after each (state, lines of metrics, timing).

    The program is compiled before the first. The state given is the mesh's, and is donated.
    """
    place, compiled = place_of_state(mesh), None
    order_of = jax.jit(over_seeds(source.order, (0, None), has_members(mesh)), out_shardings=place)
    fed = feed(source, keys, blocks, mesh, d_steps)
    keys = jax.jit(as_it_is, out_shardings=place)(keys)  # `laid_out` takes no keys to other processes' devices
    for (epoch, index, count), arrays in fed:
        if compiled is None or index == 0:
            order = order_of(keys.order, np.int32(epoch))
        arguments = (state, keys, arrays, order, *map(np.int32, (epoch, index, count)))
        timing = {"steps": count, "compile_seconds": 0.0}
        began = time.perf_counter()
        if compiled is None:
            with jax.set_mesh(mesh):
                compiled = play.lower(*arguments).compile()
            meet("all have compiled")
            timing["compile_seconds"] = time.perf_counter() - began
        state, metrics = compiled(*arguments)
        metrics = jax.device_get(metrics)
        timing["seconds"] = time.perf_counter() - began - timing["compile_seconds"]
        yield state, to_lines(metrics, count), timing


def feed(
    source: Source, keys: Keys, blocks: Iterable[tuple[int, int, int]], mesh: Mesh, d_steps: int
) -> Iterator[tuple[tuple[int, int, int], Any]]:
    """The blocks, each with the arrays that it takes its batches from."""
    if source.stream is None:
        return zip(blocks, itertools.repeat(laid_out(source.arrays, NamedSharding(mesh, SAME))))
    blocks = list(blocks)
    return zip(blocks, source.stream(keys.order, blocks, d_steps, mesh), strict=True)


def to_lines(metrics: dict[str, dict[str, Any]], count: int) -> list[dict[str, Any]]:
    """`{"d": {"loss": [length]}}` as a `{"d_loss": …}` for each of the first `count` train steps."""
    flat = {
        f"{player}_{name}": rows[:count].tolist() for player, named in metrics.items() for name, rows in named.items()
    }
    return [dict(zip(flat, row, strict=True)) for row in zip(*flat.values(), strict=True)]
