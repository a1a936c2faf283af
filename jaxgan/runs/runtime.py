"""Settings of JAX for the whole process, made before anything is computed."""

import contextlib
import os
from pathlib import Path

import jax

from jaxgan.data.image_datasets import DEFAULT_DATA_DIR
from jaxgan.distributed.multihost import initialize
from jaxgan.runs.config import RunConfig

MIN_CACHED_SECONDS = 0.03  # programs that compile faster are not worth a file
MAX_CACHE_BYTES = 2**30  # the programs that were not used for the longest time are removed


def configure_jax(config: RunConfig) -> None:
    """Configures JAX for a run.

    Enables 64-bit types for float64, sets the compilation cache, makes every core a CPU device for
    a population, connects to the other processes, and restricts XLA to one thread if the networks
    are tiny. The number of devices and threads cannot change once JAX has created its devices; both
    then stay as they are.

    Raises:
      ConfigError: If the other processes do not connect.
    """
    jax.config.update("jax_enable_x64", config.precision == "float64")
    if config.compilation_cache:
        set_compilation_cache(getattr(config, "data_dir", DEFAULT_DATA_DIR))
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


def set_compilation_cache(data_dir: Path) -> None:
    """Lets JAX keep compiled programs in a subdirectory of the data directory, at most 1 GiB.

    Changes nothing if a cache is set already. Without permission to write there, nothing is kept.
    """
    current = jax.config.jax_compilation_cache_dir  # pyright: ignore[reportAttributeAccessIssue]
    if current is not None:
        return
    folder = Path(os.path.expanduser(data_dir)).absolute() / "compilation_cache"
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        return
    jax.config.update("jax_compilation_cache_dir", str(folder))
    jax.config.update("jax_persistent_cache_min_compile_time_secs", MIN_CACHED_SECONDS)
    jax.config.update("jax_compilation_cache_max_size", MAX_CACHE_BYTES)


def count_cores() -> int:
    """Returns the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
