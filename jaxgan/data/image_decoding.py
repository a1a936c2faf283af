"""Decoding of image files to uint8 arrays of one size and number of channels.

The rules, in the order in which they are applied:

- Of a file with several frames or pages, the first is taken. Embedded color profiles are ignored.
- 16 bits per channel are reduced to 8. Pixels of mode I that are not from 0 to 65,535, and floating
  point pixels (mode F), are rejected.
- Transparent pixels (modes LA, PA and RGBA, or a transparent color in modes 1, L, P and RGB) are
  composited over white. Transparency of 16-bit grayscale images is ignored.
- Modes 1, L, I and I;16 are gray. All others, such as P and CMYK, are converted to RGB.
- The EXIF orientation is applied.
- If a size is given, the image is scaled, with antialiasing (Lanczos), so that it just covers the
  size, and the center is cropped.
- 1 channel: the luma of ITU-R 601, 0.299 R + 0.587 G + 0.114 B. 3 channels: gray images have three
  equal channels. If the number of channels is not given, it is 1 for an image whose pixels are all
  gray after these steps, else 3.
"""

import os
import re
from typing import Any

import numpy as np

from jaxgan.errors import ConfigError

MAX_SIDE = 4_096
SIZE_PATTERN = re.compile(r"(\d{1,5})(?:x(\d{1,5}))?", re.ASCII | re.IGNORECASE)


def parse_size(size: int | str) -> tuple[int, int]:
    """Returns the height and width of a size: N, `"N"` or `"HxW"`.

    Raises:
      ConfigError: If it is none of these, or a side is not 1 to 4,096.
    """
    match = SIZE_PATTERN.fullmatch(str(size))
    sides = (0, 0) if match is None else (int(match[1]), int(match[2] or match[1]))
    if not 1 <= min(sides) <= max(sides) <= MAX_SIDE:
        raise ConfigError(
            f"size is {size!r}, expected N or HxW, with sides of 1 to {MAX_SIDE:,} pixels; "
            "give a size such as 64 or 48x64"
        )
    return sides


def format_size(size: tuple[int, int]) -> str:
    """Returns a height and width as `"HxW"`."""
    return f"{size[0]}x{size[1]}"


def decode_image(
    path: str | os.PathLike[str], size: tuple[int, int] | None = None, channels: int | None = None
) -> np.ndarray:
    """Decodes an image file by the rules in the docstring of this module.

    Args:
      path: The file.
      size: Height and width; None for those of the image.
      channels: 1 or 3; None for 1 if all pixels are gray, else 3.

    Returns:
      uint8 `[H, W, C]`.

    Raises:
      Exception: If the file cannot be decoded. Pillow raises exceptions of many types.
    """
    from PIL import Image  # Imported here, because only folders of images need Pillow.

    # Pillow memory-maps a file that it opens itself, and then scrambles the pixels of uncompressed
    # TIFF files with the orientations 5 to 8 (version 13.0).
    with open(path, "rb") as file, Image.open(file) as image:
        image.load()
        picture = _orient(_convert_to_8_bits(image), image)
    if size is not None and size != (picture.height, picture.width):
        picture = _fit(picture, size)
    if channels is None:
        picture = picture.convert("L") if _is_gray(picture) else picture
    else:
        picture = picture.convert("L" if channels == 1 else "RGB")
    pixels = np.asarray(picture)
    return pixels[:, :, None] if pixels.ndim == 2 else pixels


def describe_failure(error: Exception) -> str:
    """Returns why a file could not be decoded, given the exception of `decode_image`."""
    from PIL import UnidentifiedImageError

    if isinstance(error, UnidentifiedImageError):
        return "not an image"
    return getattr(error, "strerror", None) or str(error) or type(error).__name__


def _convert_to_8_bits(image: Any) -> Any:
    """Converts an image of any mode to mode L or RGB."""
    from PIL import Image

    if image.mode == "F":
        raise ValueError("its pixels are floating point (mode F); convert them to 8 bits")
    if image.mode.startswith("I"):
        values = np.asarray(image)
        if values.min() < 0 or values.max() > 65_535:
            raise ValueError(
                f"its pixels are {values.min():,} to {values.max():,}, expected 0 to 65,535; "
                "convert them to 8 bits"
            )
        # 65,535 = 255 · 257, so this is the nearest 8-bit value.
        return Image.fromarray(((values.astype(np.uint32) + 128) // 257).astype(np.uint8))
    if image.has_transparency_data:
        white = Image.new("RGBA", image.size, "white")
        return Image.alpha_composite(white, image.convert("RGBA")).convert("RGB")
    return image.convert("L" if image.mode in ("1", "L") else "RGB")


def _orient(picture: Any, image: Any) -> Any:
    """Applies the EXIF orientation of `image`, if it has one that can be read, to `picture`."""
    from PIL import Image

    transpositions = {
        2: Image.Transpose.FLIP_LEFT_RIGHT,
        3: Image.Transpose.ROTATE_180,
        4: Image.Transpose.FLIP_TOP_BOTTOM,
        5: Image.Transpose.TRANSPOSE,
        6: Image.Transpose.ROTATE_270,
        7: Image.Transpose.TRANSVERSE,
        8: Image.Transpose.ROTATE_90,
    }
    try:
        orientation = transpositions.get(image.getexif().get(0x0112))
    except Exception:  # Damaged EXIF data does not damage the pixels. Pillow raises many types.
        return picture
    return picture if orientation is None else picture.transpose(orientation)


def _fit(picture: Any, size: tuple[int, int]) -> Any:
    """Scales a picture so that it just covers a size, and crops the center, in one operation."""
    from PIL import Image

    height, width = size
    scale = max(height / picture.height, width / picture.width)
    box_width = min(width / scale, picture.width)
    box_height = min(height / scale, picture.height)
    left, top = (picture.width - box_width) / 2, (picture.height - box_height) / 2
    box = (left, top, min(left + box_width, picture.width), min(top + box_height, picture.height))
    return picture.resize((width, height), Image.Resampling.LANCZOS, box)


def _is_gray(picture: Any) -> bool:
    """Returns whether the channels of a picture of mode L or RGB are equal at all pixels."""
    if picture.mode == "L":
        return True
    pixels = np.asarray(picture)
    return np.array_equal(pixels[..., 0], pixels[..., 1]) and np.array_equal(
        pixels[..., 1], pixels[..., 2]
    )
