"""Multi-process training utilities on top of `jax.distributed`.

Process 0 is the primary: it alone writes logs, figures and console output.
"""

import hashlib
import os
import re
import sys

import jax
import numpy as np
from jax.experimental import multihost_utils

from jaxgan.errors import ConfigError

HEARTBEAT_TIMEOUT = 20  # seconds of silence after which a process counts as dead and all others end
INITIALIZATION_TIMEOUT = 120  # seconds
# Seconds. Long, because the others wait while the primary draws figures, evaluates, or trains a
# classifier.
BARRIER_TIMEOUT = 24 * 3600
# XLA status codes of a failed collective. JAX raises some of them as JaxRuntimeError, others as
# ValueError.
PEER_FAILURE_STATUSES = (
    "ABORTED|CANCELLED|DEADLINE_EXCEEDED|FAILED_PRECONDITION|INTERNAL|UNAVAILABLE|UNKNOWN"
)
MAX_BROADCAST_BYTES = 1_000

# Whether `initialize` has connected this process to others. JAX's own flag is also set after an
# initialization that found no other process.
_initialized = False


def initialize(
    coordinator: str | None, num_processes: int | None = None, process_id: int | None = None
) -> None:
    """Connects this process to the other processes of the run, using `jax.distributed`.

    Must be called before any JAX computation. Does nothing if `coordinator` is None, or if this
    process is already connected. From then on an uncaught exception ends this process
    immediately, so that the other processes do not wait for it.

    Args:
      coordinator: Address `"HOST:PORT"` of process 0, the same in all processes; or `"auto"` to
        let JAX detect the cluster, as on Slurm, Open MPI, GKE and Cloud TPU; or None to run as a
        single process.
      num_processes: Number of processes. Must be None if `coordinator` is `"auto"` or None.
      process_id: Index of this process, in [0, num_processes). Must be None if `coordinator` is
        `"auto"` or None.

    Raises:
      ConfigError: If the arguments are inconsistent, no cluster is detected, or the other
        processes do not connect within 120 seconds.
    """
    validate_distributed_args(coordinator, num_processes, process_id)
    global _initialized
    if coordinator is None or _initialized:
        return
    # JAX's preemption service would intercept SIGTERM, which `jaxgan.training.signals` handles.
    jax.config.update("jax_enable_preemption_service", False)
    auto_detect = coordinator == "auto"
    try:
        jax.distributed.initialize(
            None if auto_detect else coordinator,
            num_processes,
            process_id,
            cluster_detection_method=None if auto_detect else "deactivate",
            initialization_timeout=INITIALIZATION_TIMEOUT,
            heartbeat_timeout_seconds=HEARTBEAT_TIMEOUT,
            shutdown_timeout_seconds=BARRIER_TIMEOUT,
        )
    except (ValueError, RuntimeError) as error:
        hint = (
            "give coordinator as HOST:PORT, with num_processes and process_id"
            if auto_detect
            else "check that every process has started and can reach this address"
        )
        raise ConfigError(
            f"coordinator is {coordinator!r}, but jax.distributed could not be initialized: "
            f"{error}; {hint}"
        ) from error
    _initialized, sys.excepthook = True, exit_excepthook


def validate_distributed_args(
    coordinator: str | None, num_processes: int | None, process_id: int | None
) -> None:
    """Raises ConfigError if the arguments of `initialize` are invalid or inconsistent."""
    arguments = {"num_processes": num_processes, "process_id": process_id}
    if coordinator is None or coordinator == "auto":
        given = [name for name, value in arguments.items() if value is not None]
        if given:
            remedy = (
                "coordinator is not; give coordinator as HOST:PORT too"
                if coordinator is None
                else "coordinator is 'auto', which detects them; leave them out"
            )
            are = "is" if len(given) == 1 else "are"
            raise ConfigError(f"{' and '.join(given)} {are} given, but {remedy}")
        return
    host, _, port = coordinator.rpartition(":")
    if not host or not port.isdigit() or not 0 < int(port) < 2**16:
        raise ConfigError(f"coordinator is {coordinator!r}, expected HOST:PORT or auto")
    if num_processes is None or process_id is None:
        missing = [name for name, value in arguments.items() if value is None]
        raise ConfigError(
            f"coordinator is {coordinator!r}, so {' and '.join(missing)} must be given too"
        )
    if not 0 <= process_id < num_processes:
        raise ConfigError(f"process_id is {process_id}, expected 0 to {num_processes - 1}")


def is_multiprocess() -> bool:
    """Returns whether this run has more than one process."""
    return _initialized and jax.process_count() > 1


def process_ids() -> set[int] | None:
    """Returns the indices of all processes, or None if this is the only one."""
    return set(range(jax.process_count())) if is_multiprocess() else None


def is_primary_process() -> bool:
    """Returns whether this is process 0, which writes logs, figures and console output."""
    return not is_multiprocess() or jax.process_index() == 0


def barrier(name: str) -> None:
    """Blocks until every process reaches this barrier; does nothing in a single process.

    Needed before a collective operation if the processes have done different amounts of work:
    within a collective they wait for each other for only half a minute.

    Args:
      name: Name of the barrier, the same in all processes.
    """
    if is_multiprocess():
        # Imported here, so that single-process runs do not pay for the import of Orbax.
        from orbax.checkpoint import multihost

        multihost.sync_global_processes(name, timeout=BARRIER_TIMEOUT, processes=process_ids())


def assert_equal(name: str, text: str) -> None:
    """Verifies that all processes pass the same `text`. Every process must call this.

    Args:
      name: What `text` describes, for the error message.
      text: The text to compare.

    Raises:
      ConfigError: In all processes, if the texts differ.
    """
    barrier(name)
    if is_multiprocess():
        digest = np.frombuffer(hashlib.blake2b(text.encode(), digest_size=16).digest(), np.uint8)
        digests = multihost_utils.process_allgather(digest)
        if np.any(digests != digests[0]):
            raise ConfigError(
                f"the processes differ in {name}; "
                "start all of them with the same command, except for process_id"
            )


def broadcast_from_primary(text: str) -> str:
    """Returns the primary process's `text` in all processes. Every process must call this.

    Args:
      text: At most 1,000 bytes in UTF-8. Ignored in all other processes.
    """
    barrier("broadcast_from_primary")
    if not is_multiprocess():
        return text
    padded = np.frombuffer(text.encode().ljust(MAX_BROADCAST_BYTES, b"\0"), np.uint8)
    return multihost_utils.broadcast_one_to_all(padded).tobytes().rstrip(b"\0").decode()


def any_process(flag: bool) -> bool:
    """Returns whether `flag` is true in any process. Every process must call this."""
    if not is_multiprocess():
        return flag
    return bool(np.any(multihost_utils.process_allgather(np.array(flag))))


def is_peer_failure(error: Exception) -> bool:
    """Returns whether JAX may have raised `error` because another process has ended."""
    raised_by_xla = isinstance(error, jax.errors.JaxRuntimeError) or re.match(
        f"({PEER_FAILURE_STATUSES}): ", str(error)
    )
    return is_multiprocess() and bool(raised_by_xla)


def exit_process(status: int) -> None:
    """Ends this process with exit status `status`.

    If there are several processes, it does not wait for the others at exit, as JAX would; they
    detect that this process has ended, and end too.
    """
    if is_multiprocess():
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(status)
    sys.exit(status)


def exit_excepthook(kind, error, traceback) -> None:
    """Prints an uncaught exception and ends this process; replaces `sys.excepthook`."""
    sys.__excepthook__(kind, error, traceback)
    exit_process(1)
