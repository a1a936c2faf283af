"""How far a run is, and the default way to print it: plain lines."""

import time
from collections.abc import Callable
from datetime import timedelta
from typing import Any, NamedTuple

SECONDS_BETWEEN_LINES = 10.0


class Progress(NamedTuple):
    """The state of a run after a block of train steps.

    Attributes:
      step: Train steps done.
      steps: Train steps in total.
      steps_per_epoch: Train steps per epoch.
      steps_per_second: Speed of the last block.
      metrics: Metrics of the last train step by name, such as `{"d_loss": …, "g_loss": …}`.
      scores: The latest scores by name; empty before the first evaluation.
    """

    step: int
    steps: int
    steps_per_epoch: int
    steps_per_second: float
    metrics: dict[str, float]
    scores: dict[str, float]


def make_line_reporter(print_fn: Callable[[str], None] = print) -> Callable[[Progress], None]:
    """Returns a progress function that prints a line every ten seconds, epoch, and at the end."""
    last = -SECONDS_BETWEEN_LINES

    def report(progress: Progress) -> None:
        nonlocal last
        ended = progress.step % progress.steps_per_epoch == 0 or progress.step == progress.steps
        if ended or time.monotonic() - last >= SECONDS_BETWEEN_LINES:
            last = time.monotonic()
            parts = format_progress(progress)
            print_fn(
                f"epoch {parts['epoch']}  step {progress.step}/{progress.steps}  "
                f"{parts['speed']}  {parts['left']}  loss {parts['metrics']}"
            )

    return report


def format_progress(progress: Progress) -> dict[str, Any]:
    """Returns texts for the epoch, the speed, the time left and the metrics with the first score.

    The epoch is that of the last train step.
    """
    epoch = (progress.step - 1) // progress.steps_per_epoch + 1
    epochs = -(-progress.steps // progress.steps_per_epoch)
    left = timedelta(seconds=int((progress.steps - progress.step) / progress.steps_per_second))
    metrics = progress.metrics
    kind = "probability" if "d_real_probability" in metrics else "logits"
    losses = f"D {metrics['d_loss']:.3f} G {metrics['g_loss']:.3f}"
    outputs = f"D(x) {metrics[f'd_real_{kind}']:.2f} D(G(z)) {metrics[f'd_fake_{kind}']:.2f}"
    scores = "".join(f" {name} {value:.2f}" for name, value in [*progress.scores.items()][:1])
    return {
        "epoch": f"{epoch}/{epochs}",
        "speed": f"{progress.steps_per_second:.1f} steps/s",
        "left": f"{left} left",
        "metrics": f"{losses} {outputs}{scores}",
    }
