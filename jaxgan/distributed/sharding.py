"""Meshes and shardings: batches are split over axis "data", population members over "member"."""

from typing import Any

import jax
import numpy as np
from jax.sharding import AxisType, Mesh, NamedSharding, PartitionSpec

from jaxgan.errors import ConfigError

BATCH_SPEC = PartitionSpec("data")
MEMBER_SPEC = PartitionSpec("member")
REPLICATED = PartitionSpec()


def make_mesh(spec: PartitionSpec, size: int, num_devices: int | None = None) -> Mesh:
    """Creates a one-dimensional device mesh that divides `size` samples or members evenly.

    The mesh takes the same number of devices from every process, ordered by process.

    Args:
      spec: `BATCH_SPEC` for the samples of a batch, `MEMBER_SPEC` for the members of a population.
      size: Number of samples or members, a multiple of the number of devices.
      num_devices: Number of devices over all processes, a multiple of the number of processes.
        If None, the largest number that divides `size`. For batches on CPU, None means one device
        per process, because a single CPU device already uses all cores for its batch.

    Returns:
      A mesh with the axis named by `spec`, of type Auto.

    Raises:
      ConfigError: If there are fewer than `num_devices` devices, or `num_devices` is not a
        multiple of the number of processes, or `size` is not a multiple of `num_devices`.
    """
    available, num_processes = jax.devices(), jax.process_count()
    if num_devices is None:
        one_per_process = spec == BATCH_SPEC and available[0].platform == "cpu"
        most = num_processes if one_per_process else len(available)
        candidates = range(num_processes, most + 1, num_processes)
        num_devices = max((n for n in candidates if size % n == 0), default=num_processes)
    if not 1 <= num_devices <= len(available):
        raise ConfigError(
            f"num_devices is {num_devices}, expected 1 to {len(available)}, "
            "the number of devices available to JAX"
        )
    if num_devices % num_processes:
        raise ConfigError(
            f"num_devices is {num_devices}, expected a multiple of {num_processes}, "
            "the number of processes"
        )
    if size % num_devices:
        what = "batch size" if spec == BATCH_SPEC else "number of seeds"
        raise ConfigError(
            f"num_devices is {num_devices}, which does not divide the {what} {size}; "
            f"choose a divisor of {size}"
        )
    per_process = num_devices // num_processes
    devices = [d for p in range(num_processes) for d in jax.local_devices(p)[:per_process]]
    # `jax.make_mesh` is not used: it may reorder the devices, and it rejects devices of hosts
    # that are not connected by a fast network.
    return Mesh(np.array(devices), (axis_name(spec),), axis_types=(AxisType.Auto,))


def axis_name(spec: PartitionSpec) -> str:
    """Returns the name of the mesh axis that `spec` partitions over."""
    return str(spec[0])


def is_population_mesh(mesh: Mesh) -> bool:
    """Returns whether `mesh` shards the members of a population."""
    return mesh.axis_names == (axis_name(MEMBER_SPEC),)


def state_sharding(mesh: Mesh) -> NamedSharding:
    """Returns the sharding of the training state, the random keys and the epoch's shuffled order.

    They are sharded over members if `mesh` is a population mesh, and replicated otherwise.
    """
    return NamedSharding(mesh, MEMBER_SPEC if is_population_mesh(mesh) else REPLICATED)


def shard_batch(batch: jax.Array) -> jax.Array:
    """Constrains `batch` `[B, …]` to be sharded over the mesh axis "data" of `jax.set_mesh`.

    Each device computes with its own rows. Reductions over the batch (means, batch statistics,
    gradients) still cover the whole batch, because XLA inserts the all-reduce. Returns `batch`
    unchanged if there is no such axis, or if B is not a multiple of the number of devices.
    """
    num_devices = data_axis_size()
    if num_devices > 1 and len(batch) % num_devices == 0:
        return jax.lax.with_sharding_constraint(batch, BATCH_SPEC)
    return batch


def replicate(tree: Any) -> Any:
    """Constrains every array of `tree` to be replicated over the mesh axis "data".

    Returns `tree` unchanged if `jax.set_mesh` sets no mesh with such an axis.
    """
    if data_axis_size() > 1:
        return jax.lax.with_sharding_constraint(tree, REPLICATED)
    return tree


def data_axis_size() -> int:
    """Returns the size of the current mesh's axis "data", or 1 if there is none."""
    return jax.sharding.get_abstract_mesh().shape.get(axis_name(BATCH_SPEC), 1)


def select_member(population: Any, index: int) -> Any:
    """Returns member `index` of a population, placed on this process's first device.

    A single placement avoids computing the member's samples on every device of the mesh.

    Args:
      population: Pytree of arrays whose first axis is the member axis.
      index: Index on that axis.
    """
    return jax.device_put(jax.tree.map(lambda x: x[index], population), jax.local_devices()[0])


def to_host_local(tree: Any) -> Any:
    """Returns a fully addressable, host-local copy of `tree`.

    Replicated arrays are read from one local device, so that later computations on them run only
    once. Arrays sharded across processes are all-gathered, so every process must call this.
    """
    across_processes = [
        x for x in jax.tree.leaves(tree) if not (x.is_fully_addressable or x.is_fully_replicated)
    ]
    if across_processes:
        replicated = NamedSharding(across_processes[0].sharding.mesh, REPLICATED)
        tree = jax.jit(identity, out_shardings=replicated)(tree)
    return jax.tree.map(lambda x: x.addressable_data(0) if x.is_fully_replicated else x, tree)


def to_global(tree: Any, sharding: NamedSharding) -> Any:
    """Returns global arrays with the given sharding.

    Args:
      tree: Pytree of arrays, each complete in every process. All processes must pass equal values;
        this is not checked.
      sharding: The sharding of every returned array.
    """
    if sharding.is_fully_addressable:
        return jax.device_put(tree, sharding)
    # `device_put` would first all-gather the values of all processes to compare them.
    return jax.tree.map(
        lambda x: jax.make_array_from_callback(x.shape, sharding, lambda index: x[index]), tree
    )


def identity(tree: Any) -> Any:
    """Returns `tree`. A named function is compiled once; a new lambda would be compiled again."""
    return tree
