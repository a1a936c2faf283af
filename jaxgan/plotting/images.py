"""Image files made of other images: tiled, side by side, or animated.

In `jaxgan.plotting`, only this module imports Pillow.
"""

import io
import os
from collections.abc import Sequence

import numpy as np
from PIL import Image

from jaxgan._io import write_atomic
from jaxgan.errors import DataError, DtypeError, ShapeError

NUM_GIF_COLORS = 32
NUM_PNG_COLORS = 64
TILE_BACKGROUND = 96  # gray level, 0 to 255


def check_image_shape(shape: Sequence[int]) -> None:
    """Raises ShapeError if `shape` is not `[N, H, W, C]` with C = 1, 3 or 4."""
    if len(shape) != 4 or shape[-1] not in (1, 3, 4):
        raise ShapeError(
            f"images have shape {list(shape)}, expected [N, H, W, C] with C = 1 (gray), 3 (RGB) "
            "or 4 (RGBA); use make_plot_callback for samples that are not images"
        )


def composite_over_white(images: np.ndarray) -> np.ndarray:
    """Composites RGBA images over white; gray and RGB images are returned unchanged.

    Args:
      images: uint8 `[N, H, W, C]`, C = 1, 3 or 4. The alpha channel is not premultiplied.

    Returns:
      uint8 `[N, H, W, 1]` or `[N, H, W, 3]`.

    Raises:
      ShapeError: If the shape is not `[N, H, W, C]` with C = 1, 3 or 4.
      DtypeError: If the dtype is not uint8.
    """
    check_image_shape(images.shape)
    if images.dtype != np.uint8:
        raise DtypeError(
            f"images are {images.dtype}, expected uint8 pixels, 0 to 255; "
            "convert samples in [-1, 1] with jaxgan.data.sources.to_pixels"
        )
    if images.shape[-1] != 4:
        return images
    # 255 * 255 + 127 fits into uint16; adding 127 rounds to the nearest integer.
    color, alpha = images[..., :3].astype(np.uint16), images[..., 3:].astype(np.uint16)
    return ((color * alpha + 255 * (255 - alpha) + 127) // 255).astype(np.uint8)


def enlarge(image: np.ndarray, zoom: int) -> np.ndarray:
    """Enlarges an image `[H, W, C]` to `[H * zoom, W * zoom, C]` by repeating pixels."""
    return np.kron(image, np.ones((zoom, zoom, 1), np.uint8))


def tile_images(images: np.ndarray, columns: int, gap: int = 2) -> np.ndarray:
    """Arranges images in rows on a gray background.

    Args:
      images: uint8 `[N, H, W, C]`.
      columns: Number of images per row. An incomplete last row is filled with the background.
      gap: Space between images, in pixels.

    Returns:
      uint8 `[rows * (H + gap) - gap, columns * (W + gap) - gap, C]`.
    """
    num, height, width, channels = images.shape
    rows = -(-num // columns)
    canvas_shape = (rows * (height + gap), columns * (width + gap), channels)
    canvas = np.full(canvas_shape, TILE_BACKGROUND, np.uint8)
    for i, image in enumerate(images):
        top, left = i // columns * (height + gap), i % columns * (width + gap)
        canvas[top : top + height, left : left + width] = image
    return canvas[:-gap, :-gap]


def save_animation(
    path: str | os.PathLike[str], images: np.ndarray, zoom: int = 4, milliseconds: int = 80
) -> None:
    """Saves a batch of images as a GIF that shows one after the other in an endless loop.

    Args:
      path: The GIF to write.
      images: uint8 `[N, H, W, C]`, C = 1, 3 or 4. RGBA images are composited over white.
      zoom: Width and height of each image pixel, in pixels of the GIF.
      milliseconds: Duration of each frame.

    Raises:
      ShapeError: If the shape is not `[N, H, W, C]` with C = 1, 3 or 4.
      DtypeError: If the dtype is not uint8.
    """
    enlarged = [enlarge(image, zoom) for image in composite_over_white(images)]
    # Pillow reads a gray image as [H, W] and keeps its gray levels exactly.
    frames = [Image.fromarray(x[..., 0] if x.shape[-1] == 1 else x) for x in enlarged]
    save_frames(path, frames, milliseconds)


def save_gif(
    path: str | os.PathLike[str],
    pictures: Sequence[str | os.PathLike[str] | np.ndarray],
    milliseconds: int = 400,
) -> None:
    """Saves pictures of one size as a GIF that shows one after the other in an endless loop.

    Colors are quantized to 32 per frame.

    Args:
      path: The GIF to write.
      pictures: Image files, or uint8 `[H, W, 3]` arrays.
      milliseconds: Duration of each frame; the last frame lasts six times as long.

    Raises:
      DataError: If a file is not a readable image.
    """
    frames = [
        Image.fromarray(read_rgb(picture)).quantize(NUM_GIF_COLORS, Image.Quantize.FASTOCTREE)
        for picture in pictures
    ]
    save_frames(path, frames, [milliseconds] * (len(frames) - 1) + [6 * milliseconds])


def save_side_by_side(
    path: str | os.PathLike[str], pictures: Sequence[str | os.PathLike[str] | np.ndarray]
) -> None:
    """Saves pictures of one size side by side as a PNG.

    Args:
      path: The PNG to write.
      pictures: Image files, or uint8 `[H, W, 3]` arrays.

    Raises:
      DataError: If a file is not a readable image.
      ShapeError: If the pictures differ in size.
    """
    images = [read_rgb(picture) for picture in pictures]
    if len({image.shape for image in images}) > 1:
        shapes = ", ".join(str(list(image.shape)) for image in images)
        raise ShapeError(f"pictures have shapes {shapes}, expected one shape; resize them first")
    save_png(path, Image.fromarray(tile_images(np.stack(images), len(images))))


def save_quantized(path: str | os.PathLike[str], picture: str | os.PathLike[str]) -> None:
    """Saves a copy of an image file as a PNG with 64 colors, about a third of the original size.

    Raises:
      DataError: If `picture` is not a readable image.
    """
    image = Image.fromarray(read_rgb(picture))
    save_png(path, image.quantize(NUM_PNG_COLORS, Image.Quantize.MEDIANCUT))


def read_rgb(
    picture: str | os.PathLike[str] | np.ndarray, shape: tuple[int, ...] | None = None
) -> np.ndarray:
    """Reads an image file as a uint8 array `[H, W, 3]`; an array is returned unchanged.

    Args:
      picture: The image file, or an array.
      shape: The expected shape `(H, W, 3)`. None accepts every shape.

    Raises:
      DataError: If the file is not a readable image, or has a different shape.
    """
    if isinstance(picture, np.ndarray):
        return picture
    try:
        with Image.open(picture) as image:
            found = (image.height, image.width, 3)
            if shape is None or found == shape:  # checked first: decoding takes much longer
                return np.asarray(image.convert("RGB"))
    # Pillow raises OSError, SyntaxError, ValueError, EOFError or struct.error, among others,
    # depending on which bytes of the file are corrupt.
    except Exception as error:
        raise DataError(
            f"{os.fspath(picture)} is not a readable image ({error}); replace or remove it"
        ) from error
    raise DataError(
        f"{os.fspath(picture)} has shape {list(found)}, expected {list(shape)}; "
        "replace or remove it"
    )


def save_png(path: str | os.PathLike[str], image: Image.Image) -> None:
    """Writes an image to a PNG file atomically."""
    buffer = io.BytesIO()
    image.save(buffer, format="PNG", optimize=True)
    write_atomic(path, buffer.getvalue())


def save_frames(
    path: str | os.PathLike[str], frames: Sequence[Image.Image], milliseconds: int | list[int]
) -> None:
    """Writes frames to an endlessly looping GIF file atomically."""
    first, *others = frames
    buffer = io.BytesIO()
    first.save(
        buffer, format="GIF", save_all=True, append_images=others, duration=milliseconds, loop=0
    )
    write_atomic(path, buffer.getvalue())
