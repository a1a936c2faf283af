"""Training on several devices and in several processes, on top of `jax.sharding`.

`jaxgan.distributed.sharding` defines the meshes and shardings, for any number of devices;
`jaxgan.distributed.multihost` connects and synchronizes processes.
"""

from jaxgan.distributed.multihost import (
    any_process,
    assert_equal,
    barrier,
    broadcast_from_primary,
    initialize,
    is_multiprocess,
    is_primary_process,
)
from jaxgan.distributed.sharding import (
    BATCH_SPEC,
    MEMBER_SPEC,
    REPLICATED,
    make_mesh,
    replicate,
    select_member,
    shard_batch,
    state_sharding,
    to_global,
    to_host_local,
)

__all__ = [
    "BATCH_SPEC",
    "MEMBER_SPEC",
    "REPLICATED",
    "any_process",
    "assert_equal",
    "barrier",
    "broadcast_from_primary",
    "initialize",
    "is_multiprocess",
    "is_primary_process",
    "make_mesh",
    "replicate",
    "select_member",
    "shard_batch",
    "state_sharding",
    "to_global",
    "to_host_local",
]
