"""TODO."""

import contextlib
import os

import jax

from jaxgan.distributed.multihost import initialize
from jaxgan.runs.config import RunConfig


def configure_jax(settings: RunConfig) -> None:
    """Tells JAX, for the whole process, what it must know beforehand.

    That is whether to compute in float64; which other processes there are; for a population, to count every core as a
    device, over which the members are shared out; and for tiny networks to keep a CPU device to one core. A process
    whose devices are made keeps those.

    Raises:
      ConfigError: where the other processes are not found.
    """
    jax.config.update("jax_enable_x64", settings.precision == "float64")
    share = (settings.devices or 0) // (settings.num_processes or 1)
    with contextlib.suppress(RuntimeError):
        jax.config.update(
            "jax_num_cpu_devices", share or (1 if settings.seeds is None else usable_cores())
        )
    initialize(settings.coordinator, settings.num_processes, settings.process_id)
    if settings.one_core and "NPROC" not in os.environ:
        os.environ["NPROC"] = (
            "1"  # from which XLA's CPU devices, when they are made, take the number of their threads
        )
        jax.devices()
        del os.environ["NPROC"]


def usable_cores() -> int:
    """How many this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
