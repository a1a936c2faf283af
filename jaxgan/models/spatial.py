"""Pads and rearranges the rows and columns of feature maps `[B, H, W, C]`."""

from jax import lax


def pad_spatial(x, padding):
    """Pads rows and columns of `x` `[B, H, W, C]` with zeros; negative padding crops.

    Args:
      x: `[B, H, W, C]`.
      padding: `((top, bottom), (left, right))`.
    """
    rows, columns = ((low, high, 0) for low, high in padding)
    return lax.pad(x, x.dtype.type(0), ((0, 0, 0), rows, columns, (0, 0, 0)))


def space_to_depth(x, cell):
    """Makes each cell of pixels one pixel.

    Args:
      x: `[B, H, W, C]`.
      cell: `(sh, sw)`, the rows and columns of a cell; they divide H and W.

    Returns:
      `[B, H / sh, W / sw, sh * sw * C]`.
    """
    batch, height, width, channels = x.shape
    sh, sw = cell
    x = x.reshape(batch, height // sh, sh, width // sw, sw * channels)
    return x.swapaxes(2, 3).reshape(batch, height // sh, width // sw, -1)


def depth_to_space(x, cell):
    """Makes each pixel a cell of pixels: the inverse of `space_to_depth`.

    Args:
      x: `[B, H, W, sh * sw * C]`.
      cell: `(sh, sw)`, the rows and columns of a cell.

    Returns:
      `[B, sh * H, sw * W, C]`.
    """
    batch, height, width, _ = x.shape
    sh, sw = cell
    x = x.reshape(batch, height, width, sh, -1).swapaxes(2, 3)
    return x.reshape(batch, height * sh, width * sw, -1)
