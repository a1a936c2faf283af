"""A lock that keeps two processes from training in the same workdir."""

import contextlib
import os
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from jaxgan.distributed.multihost import is_primary_process
from jaxgan.errors import ConfigError


@contextlib.contextmanager
def lock_workdir(workdir: Path) -> Iterator[None]:
    """Creates the directory if it is missing and locks it against other runs.

    The lock is reentrant: the process that holds it may take it again. In a multi-process run only
    the primary takes it. The operating system releases it when the process ends, even if it is
    killed; the file `.lock` remains.

    Raises:
      ConfigError: If another process holds the lock, or `workdir` cannot be a directory.
    """
    if not is_primary_process():
        yield
        return
    check_workdir(workdir)
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


def check_workdir(workdir: Path) -> None:
    """Raises ConfigError if a file or a broken link keeps `workdir` from being a directory."""
    paths = (workdir.absolute(), *workdir.absolute().parents)
    existing = next(path for path in paths if os.path.lexists(path))
    if not existing.is_dir():
        kind = "a broken link" if existing.is_symlink() and not existing.exists() else "a file"
        raise ConfigError(f"workdir {workdir}: {existing} is {kind}; give another directory")
