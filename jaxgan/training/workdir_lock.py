"""One process at a time in a run's folder."""

import contextlib
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from jaxgan.distributed.multihost import is_primary_process
from jaxgan.errors import ConfigError


@contextlib.contextmanager
def lock_workdir(workdir: Path) -> Iterator[None]:
    """Keeps other runs out of a folder, made if need be; this process may come in more than once.

    Of several processes of one run the first keeps them out.

    The operating system lets go of the lock when the process ends, however it ends; the file stays.

    Raises:
      ConfigError: where another process is in it.
    """
    if not is_primary_process():
        yield
        return
    workdir.mkdir(parents=True, exist_ok=True)
    lock = FileLock(workdir.resolve() / ".lock", timeout=0, is_singleton=True)
    try:
        lock.acquire()
    except Timeout as error:
        raise ConfigError(
            f"another process is training in {workdir}; wait until it ends, stop it, or take another --workdir"
        ) from error
    try:
        yield
    finally:
        lock.release()
