"""Settings of JAX for the whole process, made before anything is computed."""

import contextlib
import os

import jax

from jaxgan.distributed.multihost import initialize
from jaxgan.runs.config import RunConfig


def configure_jax(config: RunConfig) -> None:
    """Configures JAX for a run.

    Enables 64-bit types for float64, makes every core a CPU device for a population, connects to
    the other processes, and restricts XLA to one thread if the networks are tiny. The number of
    devices and threads cannot change once JAX has created its devices; both then stay as they are.

    Raises:
      ConfigError: If the other processes do not connect.
    """
    jax.config.update("jax_enable_x64", config.precision == "float64")
    num_local_devices = (config.num_devices or 0) // (config.num_processes or 1)
    default = 1 if config.num_seeds is None else count_cores()
    with contextlib.suppress(RuntimeError):
        jax.config.update("jax_num_cpu_devices", num_local_devices or default)
    initialize(config.coordinator, config.num_processes, config.process_id)
    if config.single_threaded and "NPROC" not in os.environ:
        # XLA reads the number of threads of a CPU device from NPROC when it creates the device.
        os.environ["NPROC"] = "1"
        jax.devices()
        del os.environ["NPROC"]


def count_cores() -> int:
    """Returns the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
