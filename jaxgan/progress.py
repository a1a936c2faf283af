"""What a run says while it trains: a bar on a terminal, plain lines elsewhere. The only file that knows rich's bars."""

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, NamedTuple

from rich import progress
from rich.console import Console

from jaxgan.processes import leads

SECONDS_BETWEEN_LINES = 10.0


class Progress(NamedTuple):
    """How far a run is.

    Attributes:
      step: train steps done.
      steps: train steps in all.
      steps_per_epoch: train steps that make an epoch.
      steps_per_second: over the last block.
      metrics: the last train step's, by name: `{"d_loss": …, "g_loss": …}`.
      scores: the last that there are, by name.
    """

    step: int
    steps: int
    steps_per_epoch: int
    steps_per_second: float
    metrics: dict[str, float]
    scores: dict[str, float]


@contextmanager
def reporter(console: Console) -> Iterator[Callable[[Progress], None]]:
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
            yield lambda now: bar.update(task, completed=now.step, total=now.steps, **describe(now))
    else:
        yield lines(console)


@contextmanager
def waiting(console: Console, what: str) -> Iterator[Callable[[int, int], None]]:
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
                say(console, f"{what} …")
            told = True

        yield report


def say(console: Console, text: str) -> None:
    """Prints a text as it is: brackets are no markup, and long lines are left to the terminal.

    Of several processes only the first prints, and all where it goes to standard error.
    """
    if leads() or console.stderr:
        console.print(text, markup=False, highlight=False, soft_wrap=True)


def lines(console: Console) -> Callable[[Progress], None]:
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
            said = describe(now)
            begin = f"epoch {said['epoch']}  step {now.step}/{now.steps}"
            say(console, f"{begin}  {said['speed']}  {said['left']}  loss {said['metrics']}")

    return report


def describe(now: Progress) -> dict[str, Any]:
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
