"""Keeps two processes from training in one workdir."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from jaxgan.distributed.multihost import is_primary_process
from jaxgan.errors import ConfigError


@contextlib.contextmanager
def lock_workdir(workdir: Path) -> Iterator[None]:
    """Creates the directory if it is missing and locks it against other runs.

    The process that holds the lock may take it again. In a run of several processes only the
    primary takes it. The operating system releases the lock when the process ends, however it
    ends; the file `.lock` stays.

    Raises:
      ConfigError: If another process holds the lock, or `workdir` is a file.
    """
    if not is_primary_process():
        yield
        return
    if workdir.exists() and not workdir.is_dir():
        raise ConfigError(f"workdir {workdir} is a file; give a directory")
    workdir.mkdir(parents=True, exist_ok=True)
    lock = FileLock(workdir.resolve() / ".lock", timeout=0, is_singleton=True)
    try:
        lock.acquire()
    except Timeout as error:
        raise ConfigError(
            f"another process is training in {workdir}; wait for it to end, stop it, or use "
            "another workdir"
        ) from error
    try:
        yield
    finally:
        lock.release()
