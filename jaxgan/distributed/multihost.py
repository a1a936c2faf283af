"""Several processes, one run: all compute, the first keeps the records. The engine is JAX's own."""

import hashlib
import os
import re
import sys

import jax
import numpy as np
from jax.experimental import multihost_utils

from jaxgan.errors import ConfigError

HEARTBEAT_TIMEOUT = 20  # after which a process that is silent counts as dead, and all others end
INITIALIZATION_TIMEOUT = 120
BARRIER_TIMEOUT = (
    24 * 3600
)  # for the first process, which may draw, judge or train a classifier meanwhile
# XLA's, of a sum over processes; JAX raises some as JaxRuntimeError and some as ValueError.
PEER_FAILURE_STATUSES = (
    "ABORTED|CANCELLED|DEADLINE_EXCEEDED|FAILED_PRECONDITION|INTERNAL|UNAVAILABLE|UNKNOWN"
)

initialized = (
    False  # and not what JAX says, which takes a process that has found nobody for one of several
)


def initialize(
    coordinator: str | None, num_processes: int | None = None, process_id: int | None = None
) -> None:
    """Makes this process one of several; before anything is computed. A process that has joined stays as it is.

    From then on an exception that nobody catches ends it at once, so that the others do not wait for it.

    Args:
      coordinator: `"HOST:PORT"` of the first process, the same in all; or `"auto"`, where JAX finds all there is to
        know, as on Slurm, Open MPI, GKE and Cloud TPUs; or None for a process that stays alone.
      num_processes: how many there are; not with `"auto"`.
      process_id: which this is, from 0; not with `"auto"`.

    Raises:
      ConfigError: where these do not fit together, nothing is found, or the others do not come.
    """
    validate_distributed_args(coordinator, num_processes, process_id)
    global initialized
    if coordinator is None or initialized:
        return
    jax.config.update("jax_enable_preemption_service", False)  # SIGTERM is `interrupts`' own
    found = coordinator == "auto"
    try:
        jax.distributed.initialize(
            None if found else coordinator,
            num_processes,
            process_id,
            cluster_detection_method=None if found else "deactivate",
            initialization_timeout=INITIALIZATION_TIMEOUT,
            heartbeat_timeout_seconds=HEARTBEAT_TIMEOUT,
            shutdown_timeout_seconds=BARRIER_TIMEOUT,
        )
    except (ValueError, RuntimeError) as error:
        raise ConfigError(
            f"coordinator is {coordinator!r}, but the processes did not find each other: {error}"
        ) from error
    initialized, sys.excepthook = True, exit_excepthook


def validate_distributed_args(
    coordinator: str | None, num_processes: int | None, process_id: int | None
) -> None:
    """Raises ConfigError where these do not fit together."""
    given = {"num_processes": num_processes, "process_id": process_id}
    if coordinator is None or coordinator == "auto":
        superfluous = [name for name, value in given.items() if value is not None]
        if superfluous:
            why = (
                "not given, which these go with"
                if coordinator is None
                else "'auto', which finds them itself"
            )
            raise ConfigError(f"{' and '.join(superfluous)} given, but the coordinator is {why}")
        return
    host, _, port = coordinator.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 2**16:
        raise ConfigError(f"coordinator is {coordinator!r}, expected HOST:PORT or auto")
    if num_processes is None or process_id is None:
        missing = [name for name, value in given.items() if value is None]
        raise ConfigError(
            f"coordinator is {coordinator!r}, so {' and '.join(missing)} must be given too"
        )
    if not 0 <= process_id < num_processes:
        raise ConfigError(f"process_id is {process_id}, expected 0 to {num_processes - 1}")


def is_multiprocess() -> bool:
    """Whether this is one of several processes."""
    return initialized and jax.process_count() > 1


def process_ids() -> set[int] | None:
    """The numbers of all processes; None where there is one only."""
    return set(range(jax.process_count())) if is_multiprocess() else None


def is_primary_process() -> bool:
    """Whether this is the process that keeps the records, draws and speaks: the first, or the only one."""
    return not is_multiprocess() or jax.process_index() == 0


def barrier(what: str) -> None:
    """Returns once all processes are here.

    To be called where they have not all done the same: within a collective operation they wait for each other for half
    a minute only.

    Args:
      what: names the place, the same in all.
    """
    if is_multiprocess():
        from orbax.checkpoint import (
            multihost,  # only here: what runs alone need not wait for its import
        )

        multihost.sync_global_processes(what, timeout=BARRIER_TIMEOUT, processes=process_ids())


def assert_equal(what: str, text: str) -> None:
    """Raises ConfigError, in all processes, where they do not all say the same of something."""
    barrier(what)
    if is_multiprocess():
        digest = np.frombuffer(hashlib.blake2b(text.encode(), digest_size=16).digest(), np.uint8)
        said = multihost_utils.process_allgather(digest)
        if np.any(said != said[0]):
            raise ConfigError(
                f"the processes differ in {what}; start all by one command, but for the process_id"
            )


def broadcast_from_primary(text: str) -> str:
    """What the first process says, of up to 1,000 bytes, in all of them."""
    barrier("what the first process says")
    if not is_multiprocess():
        return text
    said = np.frombuffer(text.encode().ljust(1_000, b"\0"), np.uint8)
    return multihost_utils.broadcast_one_to_all(said).tobytes().rstrip(b"\0").decode()


def any_process(flag: bool) -> bool:
    """Whether it is set in any of the processes; all have to ask."""
    return (
        bool(np.any(multihost_utils.process_allgather(np.array(flag))))
        if is_multiprocess()
        else flag
    )


def is_peer_failure(error: Exception) -> bool:
    """Whether JAX fails in this way where another of several processes has ended."""
    failed = isinstance(error, jax.errors.JaxRuntimeError) or re.match(
        f"({PEER_FAILURE_STATUSES}): ", str(error)
    )
    return is_multiprocess() and bool(failed)


def exit_process(status: int) -> None:
    """Ends this process. Of several it does not wait for the others, who notice and end too."""
    if is_multiprocess():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)


def exit_excepthook(kind, error, traceback) -> None:
    """What Python does with an exception that nobody catches, in one of several processes."""
    sys.__excepthook__(kind, error, traceback)
    exit_process(1)
