"""Stops a run at the end of a block when the user or the system asks for it."""

import contextlib
import os
import signal
import threading
from collections.abc import Iterator


@contextlib.contextmanager
def stop_on_signal() -> Iterator[threading.Event]:
    """Yields an event that the first Ctrl-C or SIGTERM sets; a second raises KeyboardInterrupt.

    Outside the main thread, where Python delivers no signals, the event is never set.
    """
    event = threading.Event()
    if threading.current_thread() is not threading.main_thread():
        yield event
        return

    def handle_signal(signum, frame):
        if event.is_set():
            raise KeyboardInterrupt
        event.set()
        os.write(2, b"\nStopping after this block; press Ctrl-C again to stop immediately.\n")

    previous = {s: signal.signal(s, handle_signal) for s in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield event
    finally:
        for signum, handler in previous.items():
            signal.signal(signum, handler)
