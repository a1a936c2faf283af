"""The training loop, its options and callbacks, and the files it writes."""

from typing import TYPE_CHECKING

from jaxgan._lazy import make_lazy_getattr

if TYPE_CHECKING:
    from jaxgan.training.callbacks import Callbacks
    from jaxgan.training.checkpoints import Checkpoints
    from jaxgan.training.dashboards import find_writers
    from jaxgan.training.loop import train
    from jaxgan.training.metric_log import read_columns
    from jaxgan.training.nonfinite import skip_nonfinite_updates
    from jaxgan.training.options import LoopOptions, TrainOptions
    from jaxgan.training.progress import Progress, make_line_reporter
    from jaxgan.training.rng import RngStreams, make_rng_streams
    from jaxgan.training.writers import Writer

__all__ = [
    "Callbacks",
    "Checkpoints",
    "LoopOptions",
    "Progress",
    "RngStreams",
    "TrainOptions",
    "Writer",
    "find_writers",
    "make_line_reporter",
    "make_rng_streams",
    "read_columns",
    "skip_nonfinite_updates",
    "train",
]

# Orbax takes a second to import, and plotting and diagnostics need the logs only.
if not TYPE_CHECKING:
    __getattr__ = make_lazy_getattr(
        __name__,
        {
            "Callbacks": "jaxgan.training.callbacks",
            "Checkpoints": "jaxgan.training.checkpoints",
            "LoopOptions": "jaxgan.training.options",
            "Progress": "jaxgan.training.progress",
            "RngStreams": "jaxgan.training.rng",
            "TrainOptions": "jaxgan.training.options",
            "Writer": "jaxgan.training.writers",
            "find_writers": "jaxgan.training.dashboards",
            "make_line_reporter": "jaxgan.training.progress",
            "make_rng_streams": "jaxgan.training.rng",
            "read_columns": "jaxgan.training.metric_log",
            "skip_nonfinite_updates": "jaxgan.training.nonfinite",
            "train": "jaxgan.training.loop",
        },
    )
