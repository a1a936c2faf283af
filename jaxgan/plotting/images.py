"""Pictures made of pictures: side by side, or one after the other. The only file that knows Pillow."""

import io
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from jaxgan._io import write_atomic


def tile_images(images: np.ndarray, columns: int, gap: int = 2) -> np.ndarray:
    """Lays uint8 images `[N, H, W, C]` out in rows of so many columns, on grey: `[rows * (H + gap) - gap, …, C]`."""
    num, height, width, channels = images.shape
    rows = -(-num // columns)
    canvas = np.full((rows * (height + gap), columns * (width + gap), channels), 96, np.uint8)
    for i, image in enumerate(images):
        top, left = i // columns * (height + gap), i % columns * (width + gap)
        canvas[top : top + height, left : left + width] = image
    return canvas[:-gap, :-gap]


def save_animation(path: Path, images: np.ndarray, zoom: int = 4, milliseconds: int = 80) -> None:
    """Shows uint8 images `[N, H, W, C]` one after the other, each pixel `zoom` pixels wide, over and over."""
    frames = [
        Image.fromarray(np.kron(image, np.ones((zoom, zoom, 1), np.uint8)).squeeze())
        for image in images
    ]
    buffer = io.BytesIO()
    frames[0].save(
        buffer, format="GIF", save_all=True, append_images=frames[1:], duration=milliseconds, loop=0
    )
    write_atomic(path, buffer.getvalue())


def save_quantized(path: Path, picture: Path) -> None:
    """Copies a PNG with 64 colours, in about a third of the bytes."""
    buffer = io.BytesIO()
    Image.open(picture).convert("RGB").quantize(64, Image.Quantize.MEDIANCUT).save(
        buffer, format="PNG", optimize=True
    )
    write_atomic(path, buffer.getvalue())


def save_gif(path: Path, pictures: Sequence[Path], milliseconds: int = 400) -> None:
    """Shows PNG files of one size one after the other, over and over, the last one longer."""
    frames = [
        Image.open(picture).convert("RGB").quantize(32, Image.Quantize.FASTOCTREE)
        for picture in pictures
    ]
    durations = [milliseconds] * (len(frames) - 1) + [6 * milliseconds]
    buffer = io.BytesIO()
    frames[0].save(
        buffer, format="GIF", save_all=True, append_images=frames[1:], duration=durations, loop=0
    )
    write_atomic(path, buffer.getvalue())


def save_side_by_side(path: Path, pictures: Sequence[Path]) -> None:
    """Shows PNG files of one size side by side."""
    images = np.stack([np.asarray(Image.open(picture).convert("RGB")) for picture in pictures])
    buffer = io.BytesIO()
    Image.fromarray(tile_images(images, len(images))).save(buffer, format="PNG", optimize=True)
    write_atomic(path, buffer.getvalue())
