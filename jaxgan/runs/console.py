"""What a run says while it trains: a bar on a terminal, plain lines elsewhere. The only file that knows rich's bars."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

from rich import progress
from rich.console import Console

from jaxgan.distributed.multihost import is_primary_process
from jaxgan.training.progress import Progress

SECONDS_BETWEEN_LINES = 10.0


@contextmanager
def progress_reporter(console: Console) -> Iterator[Callable[[Progress], None]]:
    """A `report` for `training.train` that writes to the console."""
    if console.is_terminal:
        columns = (
            progress.TextColumn("epoch {task.fields[epoch]}"),
            progress.BarColumn(bar_width=6),
            progress.TextColumn("{task.fields[speed]}"),
            progress.TextColumn("{task.fields[left]}"),
            progress.TextColumn("{task.fields[metrics]}"),
        )
        with progress.Progress(*columns, console=console) as bar:
            task = bar.add_task("", total=None, epoch="", speed="compiling …", left="", metrics="")
            yield lambda now: bar.update(
                task, completed=now.step, total=now.steps, **format_progress(now)
            )
    else:
        yield line_reporter(console)


@contextmanager
def progress_bar(console: Console, what: str) -> Iterator[Callable[[int, int], None]]:
    """A function of (done, in all) that shows how far something is; without a terminal, once that it has begun."""
    if console.is_terminal:
        with progress.Progress(console=console, transient=True) as bar:
            task = bar.add_task(what, total=None)
            yield lambda done, total: bar.update(task, completed=done, total=total)
    else:
        told = False

        def report(done: int, total: int) -> None:
            nonlocal told
            if not told:
                print_line(console, f"{what} …")
            told = True

        yield report


def print_line(console: Console, text: str) -> None:
    """Prints a text as it is: brackets are no markup, and long lines are left to the terminal.

    Of several processes only the first prints, and all where it goes to standard error.
    """
    if is_primary_process() or console.stderr:
        console.print(text, markup=False, highlight=False, soft_wrap=True)


def line_reporter(console: Console) -> Callable[[Progress], None]:
    """Prints a line every few seconds, after every epoch and at the end."""
    last = -SECONDS_BETWEEN_LINES

    def report(now: Progress) -> None:
        nonlocal last
        if (
            now.step % now.steps_per_epoch == 0
            or now.step == now.steps
            or time.monotonic() - last >= SECONDS_BETWEEN_LINES
        ):
            last = time.monotonic()
            said = format_progress(now)
            begin = f"epoch {said['epoch']}  step {now.step}/{now.steps}"
            print_line(console, f"{begin}  {said['speed']}  {said['left']}  loss {said['metrics']}")

    return report


def format_progress(now: Progress) -> dict[str, Any]:
    """The epoch that the last step belongs to, the speed, the time left, and the players' losses and scores."""
    epochs = -(-now.steps // now.steps_per_epoch)
    of = now.metrics
    kind = "probability" if "d_real_probability" in of else "logits"
    losses = f"D {of['d_loss']:.3f} G {of['g_loss']:.3f}"
    scored = "".join(f" {name} {value:.2f}" for name, value in list(now.scores.items())[:1])
    return {
        "epoch": f"{(now.step - 1) // now.steps_per_epoch + 1}/{epochs}",
        "speed": f"{now.steps_per_second:.1f} steps/s",
        "left": f"{timedelta(seconds=int((now.steps - now.step) / now.steps_per_second))} left",
        "metrics": f"{losses} D(x) {of[f'd_real_{kind}']:.2f} D(G(z)) {of[f'd_fake_{kind}']:.2f}{scored}",
    }
