"""The samples of a run for its report: one frame for each train step at which they were drawn."""

from pathlib import Path
from typing import Any

import numpy as np

from jaxgan.data.mixture import MIXTURES
from jaxgan.data.parabola import A_MAX, A_MIN, BASIS, POINTS
from jaxgan.errors import DataError
from jaxgan.metrics.mixture import HIGH_QUALITY_RADIUS
from jaxgan.plotting.callbacks import MAX_CLASS_ROWS, NUM_GRID_COLUMNS
from jaxgan.plotting.sample_files import evenly_spaced, saved_files
from jaxgan.report.images import encode_bytes, encode_grid, limit_size
from jaxgan.report.run_files import RunFiles

MAX_FRAMES = 40
MAX_BYTES = 1_200_000  # of all frames
MAX_SIDE = 128  # pixels of an image
MAX_POINTS = 800
NUM_NEAREST = 24

Samples = dict[str, Any]


def read_samples(run: RunFiles, max_frames: int = MAX_FRAMES) -> tuple[Samples | None, list[str]]:
    """Returns the frames of the samples over training, None if there are none, and notes.

    All frames show the samples of the same latent vectors. Files that cannot be read are left out;
    the notes name them.
    """
    paths, notes = saved_files(run.workdir / "samples", ".npy"), []
    loaded = []
    for path in paths if max_frames > 1 else paths[-1:]:
        try:
            loaded.append((int(path.stem), load_array(path)))
        except DataError as error:
            notes.append(str(error))
    if not loaded:
        return None, notes
    shape = loaded[-1][1].shape
    kept = [(step, samples) for step, samples in loaded if samples.shape == shape]
    if len(kept) < len(loaded):
        notes.append(f"{len(loaded) - len(kept)} files of samples have another shape")
    return describe_samples(run, kept), notes


def load_array(path: Path) -> np.ndarray:
    """Loads a file of samples.

    Raises:
      DataError: If the file is not a readable numeric array of at least two dimensions.
    """
    try:
        array = np.load(path, allow_pickle=False, mmap_mode="r")
        if array.ndim < 2 or not np.issubdtype(array.dtype, np.number):
            raise ValueError(f"it is {array.dtype}{list(array.shape)}, expected numbers [N, …]")
    # Depending on the corrupt bytes, NumPy raises errors of many types.
    except Exception as error:
        raise DataError(f"{path} is not a readable array of samples ({error})") from error
    return array


def describe_samples(run: RunFiles, loaded: list[tuple[int, np.ndarray]]) -> Samples:
    """Returns the frames of samples of one shape, ordered by step."""
    shape = loaded[-1][1].shape
    name = run.config.get("data", {}).get("name")
    if len(shape) == 4 and loaded[-1][1].dtype == np.uint8 and shape[-1] in (1, 3, 4):
        return image_frames(run, loaded)
    loaded = evenly_spaced(loaded, MAX_FRAMES)
    frames = {"steps": [step for step, _ in loaded], "num": shape[0], "row_labels": []}
    if len(shape) == 2 and shape[1] == 2:
        return frames | point_frames(loaded, name)
    if name == "parabola" and shape[1:] == (len(POINTS),):
        return frames | curve_frames(loaded)
    return picture_frames(run.workdir / "samples")


def image_frames(run: RunFiles, loaded: list[tuple[int, np.ndarray]]) -> Samples:
    """Returns grids of images as frames, with a limit on their total size."""
    shape = loaded[-1][1].shape
    labels = run.config.get("data", {}).get("class_names", [])[:MAX_CLASS_ROWS]
    if len(labels) * NUM_GRID_COLUMNS != shape[0]:
        labels = []

    def encode(samples):
        return encode_grid(limit_size(np.asarray(samples), MAX_SIDE), NUM_GRID_COLUMNS)

    num_frames = max(2, min(MAX_FRAMES, MAX_BYTES // len(encode(loaded[-1][1]))))
    loaded = evenly_spaced(loaded, num_frames)
    return {
        "kind": "images",
        "steps": [step for step, _ in loaded],
        "frames": [encode(samples) for _, samples in loaded],
        "num": shape[0],
        "row_labels": labels,
        "columns": NUM_GRID_COLUMNS,
        "cell": shape[1:3],
    }


def point_frames(loaded: list[tuple[int, np.ndarray]], name: str | None) -> Samples:
    """Returns 2-D points as frames, with the modes of the data if these are known."""
    return describe_points(name, loaded[-1][1]) | {
        "frames": [round_list(samples[:MAX_POINTS]) for _, samples in loaded],
        "num": min(MAX_POINTS, loaded[-1][1].shape[0]),
    }


def curve_frames(loaded: list[tuple[int, np.ndarray]]) -> Samples:
    """Returns parabolas as frames, with the bounds of the data."""
    return describe_curves() | {"frames": [round_list(samples) for _, samples in loaded]}


def describe_points(name: str | None, points: np.ndarray) -> Samples:
    """Returns the plot settings of points `[N, 2]`, with the modes of the data set `name`."""
    mixture = MIXTURES.get(name or "")
    return {
        "kind": "points",
        "modes": [] if mixture is None else mixture.means.tolist(),
        "radius": 0.0 if mixture is None else HIGH_QUALITY_RADIUS * mixture.sigma,
        "limit": 1.45 * float(np.nanmax(np.abs(points if mixture is None else mixture.means))),
    }


def describe_curves() -> Samples:
    """Returns the plot settings of parabolas, with the bounds of the data."""
    bounds = (("upper bound, 2x² + 1", A_MAX), ("lower bound, x²", A_MIN))
    return {
        "kind": "curves",
        "x": round_list(POINTS),
        "bounds": [{"label": label, "y": round_list(a * BASIS - 1)} for label, a in bounds],
        "y_range": [-0.5, 3.5],
    }


def picture_frames(folder: Path) -> Samples:
    """Returns the image files that the run drew as frames, for samples of any other kind."""
    paths = evenly_spaced(saved_files(folder, ".png"), MAX_FRAMES)
    size = sum(path.stat().st_size for path in paths)
    paths = evenly_spaced(paths, max(2, len(paths) * MAX_BYTES // max(size, 1)))
    return {
        "kind": "images",
        "steps": [int(path.stem) for path in paths],
        "frames": [encode_bytes(path.read_bytes(), "png") for path in paths],
        "num": None,
        "row_labels": [],
        "columns": 1,
        "cell": None,
    }


def read_nearest(run: RunFiles) -> list[tuple[str, str]]:
    """Returns pairs of a sample and its nearest training image, as data URIs; may be empty."""
    path = run.workdir / "nearest.npy"
    if not path.exists():
        return []
    samples, nearest = (limit_size(np.asarray(x)[:NUM_NEAREST], MAX_SIDE) for x in load_array(path))
    return [
        (encode_grid(sample[None], 1), encode_grid(image[None], 1))
        for sample, image in zip(samples, nearest, strict=True)
    ]


def round_list(values: np.ndarray) -> list:
    """Returns an array as nested lists, rounded to three decimal digits; None if not finite."""
    rounded = np.round(np.asarray(values, np.float64), 3).astype(object)
    rounded[~np.isfinite(np.asarray(values))] = None
    return rounded.tolist()
