"""Pads and rearranges the rows and columns of feature maps `[B, H, W, C]`."""

from jax import lax

from jaxgan.errors import ShapeError


def check_kernel_fits(kernel_shape, size):
    """Raises ShapeError if a kernel is larger than the input of its convolution.

    Args:
      kernel_shape: `(kh, kw, C, F)`.
      size: Rows and columns of the input, after dilation and padding.
    """
    kh, kw = kernel_shape[:2]
    if kh > size[0] or kw > size[1]:
        raise ShapeError(
            f"the kernel is {kh}x{kw}, expected at most {size[0]}x{size[1]}, the size of the "
            "padded input; use a smaller kernel or more padding"
        )


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
