"""Progress of a run, and the default reporter, which prints plain lines."""

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
    """Returns a function that prints a line every ten seconds, after every epoch and at the end."""
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
    """Formats the epoch, the speed, the time left, and the metrics with the first score.

    The epoch is that of the last train step.
    """
    epoch = (progress.step - 1) // progress.steps_per_epoch + 1
    epochs = -(-progress.steps // progress.steps_per_epoch)
    left = timedelta(seconds=int((progress.steps - progress.step) / progress.steps_per_second))
    metrics = progress.metrics
    losses = f"D {metrics['d_loss']:.3f} G {metrics['g_loss']:.3f}"
    if "d_real_probability" in metrics:
        real, fake = metrics["d_real_probability"], metrics["d_fake_probability"]
        outputs = f"D(x) {real:.2f} D(G(z)) {fake:.2f}"
    else:
        real, fake = metrics["d_real_logits"], metrics["d_fake_logits"]
        outputs = f"logits real {real:.2f} fake {fake:.2f}"
    scores = "".join(f" {name} {value:.2f}" for name, value in [*progress.scores.items()][:1])
    return {
        "epoch": f"{epoch}/{epochs}",
        "speed": f"{progress.steps_per_second:.1f} steps/s",
        "left": f"{left} left",
        "metrics": f"{losses} {outputs}{scores}",
    }
