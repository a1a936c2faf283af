"""Downloads of single files with a stall timeout, a deadline, and atomic results.

A daemon thread receives the data, and the caller writes it. If the thread blocks, for example in a
resolver, a proxy or on a silent server, the caller gives up after `stall` seconds without data. The
thread never writes to disk, so a late response cannot create a file.
"""

import contextlib
import os
import queue
import threading
import time
import urllib.request
import uuid
from collections.abc import Iterator
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError

from jaxgan.errors import DataError

CHUNK_BYTES = 1 << 16

# Received chunks, then None at the end of the file or the exception that ended the download.
Messages = queue.SimpleQueue[bytes | Exception | None]


def download_file(
    url: str, path: str | os.PathLike[str], stall: float = 5.0, deadline: float = 300.0
) -> None:
    """Downloads `url` to `path`, replacing an existing file; uses the proxies of the environment.

    Args:
      url: Any URL that `urllib` opens.
      path: The file to write, in an existing folder. It is written atomically: it appears only once
        the download is complete.
      stall: Seconds without a received byte after which to give up. The time to resolve the host
        name and to connect counts too.
      deadline: Seconds in total after which to give up.

    Raises:
      DataError: If the server cannot be found or reached, refuses the request, stalls, is too slow
        or closes the connection early, or if the file cannot be written. The message gives the URL
        and the reason. No partial file is left behind.
    """
    path = Path(path)
    # The name of the partial file is unique, because two processes may download the same file.
    part = path.with_name(f"{path.name}.{uuid.uuid4().hex}.part")
    messages: Messages = queue.SimpleQueue()
    stop = threading.Event()
    threading.Thread(
        target=_receive_chunks, args=(url, 2 * stall, messages, stop), daemon=True
    ).start()
    try:
        with open(part, "wb") as file:
            for chunk in _iterate_chunks(url, messages, stall, deadline):
                file.write(chunk)
        os.replace(part, path)
    except OSError as error:
        raise DataError(f"{url} cannot be saved as {path}: {error}.") from error
    finally:
        stop.set()
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def _iterate_chunks(url: str, messages: Messages, stall: float, deadline: float) -> Iterator[bytes]:
    """Yields the received chunks; raises DataError if the download fails, stalls or is too slow."""
    end = time.monotonic() + deadline
    while (remaining := end - time.monotonic()) > 0:
        try:
            message = messages.get(timeout=min(stall, remaining))
        except queue.Empty:
            if remaining > stall:
                raise DataError(
                    f"{url} cannot be downloaded: no byte arrived for {stall:g} s."
                ) from None
            continue
        if isinstance(message, Exception):
            raise DataError(f"{url} cannot be downloaded: {message}.") from message
        if message is None:
            return
        yield message
    raise DataError(f"{url} cannot be downloaded: not complete after {deadline:g} s.")


def _receive_chunks(url: str, timeout: float, messages: Messages, stop: threading.Event) -> None:
    """Puts the chunks of `url` and the outcome into `messages`.

    The socket timeout only ends the thread some time after the caller has given up.
    """
    try:
        with urllib.request.urlopen(url, timeout=timeout) as response:
            expected, received = response.headers["Content-Length"], 0
            while not stop.is_set() and (chunk := response.read1(CHUNK_BYTES)):
                messages.put(chunk)
                received += len(chunk)
        if expected is not None and received != int(expected):
            raise ConnectionError(f"the connection was closed after {received} of {expected} bytes")
        messages.put(None)
    except (OSError, HTTPException, ValueError) as error:  # ValueError: `url` is not a URL
        if isinstance(error, HTTPError):
            error.close()
        messages.put(error)
