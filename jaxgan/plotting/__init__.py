"""Drawing: image grids, figures, animations, and callbacks for the training loop.

Importing this package does not import matplotlib; its functions import it when they draw.
"""

from jaxgan.plotting.callbacks import DrawFn, make_image_callback, make_plot_callback
from jaxgan.plotting.figures import (
    live_window,
    save_image_grid,
    save_labeled_rows,
    save_parabola_samples,
    save_parabolas,
    save_points,
)
from jaxgan.plotting.images import save_animation, save_gif, save_quantized, save_side_by_side
from jaxgan.plotting.learning_curves import (
    save_loss_curves,
    save_score_bands,
    save_score_curves,
    save_seed_scores,
)
from jaxgan.plotting.sample_files import saved_files

__all__ = [
    "DrawFn",
    "live_window",
    "make_image_callback",
    "make_plot_callback",
    "save_animation",
    "save_gif",
    "save_image_grid",
    "save_labeled_rows",
    "save_loss_curves",
    "save_parabola_samples",
    "save_parabolas",
    "save_points",
    "save_quantized",
    "save_score_bands",
    "save_score_curves",
    "save_seed_scores",
    "save_side_by_side",
    "saved_files",
]
