"""Console output of a run: messages, and progress as a bar on a terminal or as plain lines."""

import errno
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import NoReturn

from rich import console as rich_console
from rich import progress as rich_progress

from jaxgan.distributed.multihost import is_primary_process
from jaxgan.training.progress import Progress, format_progress, make_line_reporter


class Console(rich_console.Console):
    """A console of rich that raises BrokenPipeError, where rich's own would exit with status 1."""

    def on_broken_pipe(self) -> NoReturn:
        """Called by rich while it handles a BrokenPipeError."""
        raise BrokenPipeError(errno.EPIPE, os.strerror(errno.EPIPE)) from None


def print_line(text: str, *, stderr: bool = False) -> None:
    """Prints a text verbatim: brackets are not markup, and long lines are left to the terminal.

    In a run of several processes only the primary prints, except to standard error.
    """
    if is_primary_process() or stderr:
        Console(stderr=stderr).print(text, markup=False, highlight=False, soft_wrap=True)


@contextmanager
def progress_reporter() -> Iterator[Callable[[Progress], None]]:
    """Yields a function for `Callbacks.progress` that writes to standard output."""
    console = Console(quiet=not is_primary_process())
    if not console.is_terminal:
        yield make_line_reporter(print_line)
        return
    columns = (
        rich_progress.TextColumn("epoch {task.fields[epoch]}"),
        rich_progress.BarColumn(bar_width=6),
        rich_progress.TextColumn("{task.fields[speed]}"),
        rich_progress.TextColumn("{task.fields[left]}"),
        rich_progress.TextColumn("{task.fields[metrics]}"),
    )
    with rich_progress.Progress(*columns, console=console) as bar:
        task = bar.add_task("", total=None, epoch="", speed="compiling …", left="", metrics="")

        def report(progress: Progress) -> None:
            fields = format_progress(progress)
            bar.update(task, completed=progress.step, total=progress.steps, **fields)

        yield report


@contextmanager
def progress_bar(description: str) -> Iterator[Callable[[int, int], None]]:
    """Yields a function of (done, total) that shows a bar; without a terminal, prints one line."""
    console = Console(quiet=not is_primary_process())
    if console.is_terminal:
        with rich_progress.Progress(console=console, transient=True) as bar:
            task = bar.add_task(description, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)
        return
    started = False

    def report(done: int, total: int) -> None:
        nonlocal started
        if not started:
            print_line(f"{description} …")
        started = True

    yield report
