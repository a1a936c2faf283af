"""Images of a report, encoded as data URIs."""

import base64
import io

import numpy as np
from PIL import Image

from jaxgan.plotting.images import composite_over_white, tile_images

MAX_LOSSLESS_SIDE = 32  # pixels; larger images are encoded as lossy WebP
WEBP_QUALITY = 80


def encode_grid(images: np.ndarray, columns: int, *, gap: int = 2) -> str:
    """Returns a grid of images as a data URI, in PNG or, if an image is larger than 32x32, WebP.

    Args:
      images: uint8 `[N, H, W, C]`, C = 1, 3 or 4.
      columns: Number of images per row.
      gap: Space between images, in pixels.
    """
    images = composite_over_white(images)
    lossless = max(images.shape[1:3]) <= MAX_LOSSLESS_SIDE
    grid = tile_images(images, columns, gap) if gap else join_tiles(images, columns)
    return encode_image(grid, lossless=lossless)


def join_tiles(images: np.ndarray, columns: int) -> np.ndarray:
    """Arranges images `[N, H, W, C]` in rows without gaps; N is a multiple of `columns`."""
    num, height, width, channels = images.shape
    rows = images.reshape(num // columns, columns, height, width, channels).swapaxes(1, 2)
    return rows.reshape(num // columns * height, columns * width, channels)


def encode_image(pixels: np.ndarray, *, lossless: bool = True) -> str:
    """Returns an image, uint8 `[H, W, C]`, C = 1 or 3, as a data URI in PNG or lossy WebP."""
    image = Image.fromarray(pixels[..., 0] if pixels.shape[-1] == 1 else pixels)
    buffer = io.BytesIO()
    kind = "png" if lossless else "webp"
    image.save(buffer, format=kind, **({} if lossless else {"quality": WEBP_QUALITY}))
    return encode_bytes(buffer.getvalue(), kind)


def encode_bytes(content: bytes, kind: str) -> str:
    """Returns the content of an image file as a data URI; `kind` is its type, such as `"png"`."""
    return f"data:image/{kind};base64,{base64.b64encode(content).decode()}"


def limit_size(images: np.ndarray, side: int) -> np.ndarray:
    """Scales uint8 images `[N, H, W, C]` down so that neither side exceeds `side` pixels."""
    images = composite_over_white(images)
    height, width = images.shape[1:3]
    scale = side / max(height, width)
    if scale >= 1:
        return images
    size = max(1, round(width * scale)), max(1, round(height * scale))
    scaled = [
        np.asarray(
            Image.fromarray(x[..., 0] if x.shape[-1] == 1 else x).resize(
                size, Image.Resampling.LANCZOS
            )
        )
        for x in images
    ]
    return np.stack(scaled).reshape(len(images), size[1], size[0], images.shape[-1])
