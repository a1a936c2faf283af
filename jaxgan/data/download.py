"""Fetching one file over the network: in time, whole, or not at all.

A daemon thread only receives, the caller only writes. Whatever holds the thread up (a resolver, a proxy, a silent
server), the caller goes on after `stall` seconds of silence; and as the thread never touches the disk, a late one can
put nothing there.
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

# What has just arrived, why nothing more will, or None at the end.
Messages = queue.SimpleQueue[bytes | Exception | None]


def download_file(url: str, path: Path, stall: float = 5.0, deadline: float = 300.0) -> None:
    """Downloads `url` to `path`, replacing what is there; proxies are taken from the environment.

    Args:
      url: Anything `urllib` opens.
      path: The file to write, in a folder that exists. It appears there only when it is complete.
      stall: Seconds without a byte of the file after which to give up, finding the host and connecting included.
      deadline: Seconds after which to give up in any case.

    Raises:
      DataError: The server cannot be found or reached, refuses, falls silent, is too slow or closes too early; or the
        file cannot be written. The message names the URL and the reason. Nothing is left behind.
    """
    part = path.with_name(
        f"{path.name}.{uuid.uuid4().hex}.part"
    )  # unique: two processes may want the same file
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
    """Yields what arrives, to its end. Raises DataError where none is to come, or not in time."""
    end = time.monotonic() + deadline
    while (left := end - time.monotonic()) > 0:
        try:
            message = messages.get(timeout=min(stall, left))
        except queue.Empty:
            if left > stall:
                raise DataError(
                    f"{url} cannot be fetched: no byte arrived for {stall:g} s."
                ) from None
            continue
        if isinstance(message, Exception):
            raise DataError(f"{url} cannot be fetched: {message}.") from message
        if message is None:
            return
        yield message
    raise DataError(f"{url} cannot be fetched: not complete after {deadline:g} s.")


def _receive_chunks(url: str, timeout: float, messages: Messages, stop: threading.Event) -> None:
    """Reports all that happens to `url`. The timeout is only there to end the thread some time after the caller."""
    try:
        with urllib.request.urlopen(url, timeout=timeout) as response:
            expected, received = response.headers["Content-Length"], 0
            while not stop.is_set() and (chunk := response.read1(1 << 16)):
                messages.put(chunk)
                received += len(chunk)
        if expected is not None and received != int(expected):
            raise ConnectionError(f"the connection was closed after {received} of {expected} bytes")
        messages.put(None)
    except (OSError, HTTPException, ValueError) as error:  # ValueError: not a URL
        if isinstance(error, HTTPError):
            error.close()
        messages.put(error)
