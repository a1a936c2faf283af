"""Data sets by name or by path, and sources that draw batches from them.

Importing this package does not import TFDS, Grain, Pillow, scikit-learn or SciPy; functions that
need one of them import it when called.
"""

from jaxgan.data.dataset_paths import open_dataset
from jaxgan.data.image_datasets import KNOWN_DATASETS, load_split, open_split
from jaxgan.data.mixture import GRID, MIXTURES, RING, Mixture, mixture_source
from jaxgan.data.parabola import parabola_source
from jaxgan.data.sources import (
    Source,
    array_source,
    default_repeats,
    from_pixels,
    synthetic_source,
    to_pixels,
)
from jaxgan.data.splits import Images, Split
from jaxgan.data.stacked_mnist import draw_triples, stack_images, stack_labels, stacked_source
from jaxgan.data.streaming import streaming_source

__all__ = [
    "GRID",
    "KNOWN_DATASETS",
    "MIXTURES",
    "RING",
    "Images",
    "Mixture",
    "Source",
    "Split",
    "array_source",
    "default_repeats",
    "draw_triples",
    "from_pixels",
    "load_split",
    "mixture_source",
    "open_dataset",
    "open_split",
    "parabola_source",
    "stack_images",
    "stack_labels",
    "stacked_source",
    "streaming_source",
    "synthetic_source",
    "to_pixels",
]
