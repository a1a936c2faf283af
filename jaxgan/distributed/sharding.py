"""How work is shared out over devices: the batches of one GAN, or the members of a population."""

from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxgan.errors import ConfigError

BATCH_SPEC = PartitionSpec("data")
MEMBER_SPEC = PartitionSpec("member")
REPLICATED = PartitionSpec()  # each device has all of it


def make_mesh(share: PartitionSpec, num: int, devices: int | None = None) -> Mesh:
    """Devices over which `num` samples or members can be shared out evenly, in the order of their processes.

    Args:
      share: BATCH or MEMBERS.
      num: how many there are.
      devices: how many devices to take, the same number of each process. None takes as many as JAX sees and `num`
        allows; but of each process one CPU device for samples, because all cores work on its batches anyway.

    Raises:
      ConfigError: where there are not so many devices, or `num` is not a multiple of them.
    """
    there, processes = jax.devices(), jax.process_count()
    if devices is None:
        most = processes if share == BATCH_SPEC and there[0].platform == "cpu" else len(there)
        devices = max(
            (n for n in range(processes, most + 1, processes) if num % n == 0), default=processes
        )
    if not 1 <= devices <= len(there):
        raise ConfigError(f"devices is {devices}, expected 1 to {len(there)}, as many as JAX sees")
    if devices % processes:
        raise ConfigError(
            f"devices is {devices}, expected as many of each of the {processes} processes"
        )
    if num % devices:
        raise ConfigError(
            f"devices is {devices}, by which {num} cannot be divided; take a divisor of {num}"
        )
    taken = [
        device for p in range(processes) for device in jax.local_devices(p)[: devices // processes]
    ]
    # Not by `jax.make_mesh`: it may order them in another way, and refuses those of machines without a fast network.
    return Mesh(np.array(taken), (axis_name(share),), axis_types=(AxisType.Auto,))


def axis_name(share: PartitionSpec) -> str:
    """The name of the mesh's axis."""
    return str(share[0])


def is_population_mesh(mesh: Mesh) -> bool:
    """Whether the mesh is for a population."""
    return mesh.axis_names == (axis_name(MEMBER_SPEC),)


def state_sharding(mesh: Mesh) -> NamedSharding:
    """Where a state lies, and the keys and the order of its batches: each device has its members', or all of it."""
    return NamedSharding(mesh, MEMBER_SPEC if is_population_mesh(mesh) else REPLICATED)


def shard_batch(batch: jax.Array) -> jax.Array:
    """A batch `[B, …]` as the devices of `jax.set_mesh`'s axis "data" share it: each computes with rows of its own.

    Whatever is then summed over the batch is summed over all devices: means, batch statistics and gradients are those
    of the whole batch. Without such an axis, or where the rows cannot be shared out evenly, nothing changes.
    """
    devices = jax.sharding.get_abstract_mesh().shape.get(axis_name(BATCH_SPEC), 1)
    return (
        jax.lax.with_sharding_constraint(batch, BATCH_SPEC)
        if devices > 1 and len(batch) % devices == 0
        else batch
    )


def replicate(state: Any) -> Any:
    """A state of which each device of `jax.set_mesh`'s axis "data" is to have all; unchanged without such an axis."""
    shared = jax.sharding.get_abstract_mesh().shape.get(axis_name(BATCH_SPEC), 1) > 1
    return jax.lax.with_sharding_constraint(state, REPLICATED) if shared else state


def select_member(population: Any, i: int) -> Any:
    """The i-th member of what has a first axis for them, on the first device: its samples are then made once only."""
    return jax.device_put(jax.tree.map(lambda x: x[i], population), jax.local_devices()[0])


def to_host_local(state: Any) -> Any:
    """A state of which this process has all.

    Of what all devices have, that is one device's copy: what is computed of it is computed once only. Members that are
    on other processes' devices are fetched; all processes have to ask.
    """
    elsewhere = [
        x for x in jax.tree.leaves(state) if not (x.is_fully_addressable or x.is_fully_replicated)
    ]
    if elsewhere:
        state = jax.jit(
            identity, out_shardings=NamedSharding(elsewhere[0].sharding.mesh, REPLICATED)
        )(state)
    return jax.tree.map(lambda x: x.addressable_data(0) if x.is_fully_replicated else x, state)


def to_global(tree: Any, place: NamedSharding) -> Any:
    """Arrays that this process has, and all others too, as `place` shares them out."""
    if place.is_fully_addressable:
        return jax.device_put(tree, place)
    # `device_put` would first gather what all processes have, to compare it.
    return jax.tree.map(
        lambda x: jax.make_array_from_callback(x.shape, place, lambda index: x[index]), tree
    )


def identity(tree: Any) -> Any:
    """The same; a name, so that it is compiled once."""
    return tree
