"""Convolutions without strides or dilation as products of matrices, for CPUs.

There are two forms: one product with a banded matrix (`conv_as_matmul`), and, with many channels, a
batch of smaller products if these need at most half of its multiplications
(`jaxgan.models.toom_cook`).
"""

import jax
import jax.numpy as jnp
import numpy as np

from jaxgan.models.spatial import check_kernel_fits, pad_spatial
from jaxgan.models.toom_cook import best_tile_width, conv_by_toom_cook, count_multiplications

# Measured on two cores with AVX-512: with fewer channels, or if more than this fraction of the
# multiplications remains, Toom-Cook's transforms take longer than what they save.
MIN_CHANNELS = 16
MAX_COST_RATIO = 0.5


def conv_by_products(x, kernel, padding):
    """Computes a convolution without strides or dilation as products of matrices.

    Args:
      x: `[B, H, W, C]`.
      kernel: `[kh, kw, C, F]`.
      padding: `((top, bottom), (left, right))`, numbers of rows and columns of zeros to add.

    Returns:
      `[B, H', W', F]`.

    Raises:
      ShapeError: If the kernel is larger than the padded input.
    """
    x, (_, kw, channels, features) = pad_spatial(x, padding), kernel.shape
    check_kernel_fits(kernel.shape, x.shape[1:3])
    tile_width = toom_cook_tile_width(x.shape[2] - kw + 1, kw)
    # With few channels the transforms cost more than they save. Their rounding errors are too large
    # for 16 bits.
    if tile_width and min(channels, features) >= MIN_CHANNELS and x.dtype.itemsize >= 4:
        return conv_by_toom_cook(x, kernel, tile_width)
    return conv_as_matmul(x, kernel)


def toom_cook_tile_width(columns, kw):
    """Returns the tile width of `conv_by_toom_cook` for a row of `columns` pixels, or 0.

    The banded matrix of `conv_as_matmul`, with its tiles of t pixels, needs t + kw - 1
    multiplications per pixel. The result is 0 if Toom-Cook's algorithm needs more than
    `MAX_COST_RATIO` of these; the banded matrix is then faster.
    """
    tile_width = best_tile_width(columns, kw)
    if not tile_width:
        return 0
    banded_cost = columns * (matmul_tile_width(columns, kw) + kw - 1)
    cost = count_multiplications(columns, kw, tile_width)
    return tile_width if cost <= MAX_COST_RATIO * banded_cost else 0


def matmul_tile_width(columns, kw):
    """Returns the tile width of `conv_as_matmul` for a row of `columns` pixels.

    Tiles of at most kw - 1 pixels keep the zeros below half of the matrix. The width divides the
    row, so that all tiles share one matrix.
    """
    return max(t for t in range(1, max(kw, 2)) if columns % t == 0)


def conv_as_matmul(x, kernel):
    """Computes a convolution without padding, strides or dilation as one matrix product.

    Each output row is divided into tiles of `t` pixels. A tile depends on a patch of the padded
    input, `kh` rows of `t + kw - 1` pixels. The tile is the flattened patch times a banded matrix,
    in which each row of the kernel occurs `t` times, each time shifted by one pixel. For example,
    with `kw` = 3 and `t` = 2, one kernel row `(a, b, c)` gives this block::

                       tile pixel 0   tile pixel 1
        patch pixel 0       a              0
        patch pixel 1       b              a
        patch pixel 2       c              b
        patch pixel 3       0              c

    The tile width is a compromise. The patches contain every input pixel `kh (t + kw - 1) / t`
    times, so wider tiles copy less. A fraction `(t - 1) / (t + kw - 1)` of the matrix is zero, so
    wider tiles multiply by more zeros.

    Derivatives of any order are again matrix products, and so are as fast.

    Args:
      x: `[B, H, W, C]`.
      kernel: `[kh, kw, C, F]`, not larger than the input.

    Returns:
      `[B, H', W', F]`.
    """
    kh, kw, _, features = kernel.shape
    batch, rows, columns = x.shape[0], x.shape[1] - kh + 1, x.shape[2] - kw + 1
    tile_width = matmul_tile_width(columns, kw)
    num_tiles, patch_width = columns // tile_width, tile_width + kw - 1
    # [B, H, tiles, patch_width * C]: the pixels of each input row that a tile depends on.
    patch_rows = jnp.stack(
        [x[:, :, i : i + patch_width] for i in range(0, columns, tile_width)], 2
    ).reshape(*x.shape[:2], num_tiles, -1)
    # [B, H', tiles, kh, patch_width * C]: the same for the kh input rows of each output row.
    patches = jnp.stack([patch_rows[:, i : i + rows] for i in range(kh)], 3)
    # band[p, t, j] is 1 if kernel column j = p - t maps patch pixel p to tile pixel t. `one_hot`
    # gives zeros for p - t outside 0..kw-1, which makes the matrix banded.
    kernel_column = np.arange(patch_width)[:, None] - np.arange(tile_width)
    band = jax.nn.one_hot(kernel_column, kw, dtype=kernel.dtype)
    # [kh, patch_width, C, tile_width, F], in the order of the flattened patches and tiles.
    matrix = jnp.einsum("ptj,ijcf->ipctf", band, kernel)
    product = patches.reshape(batch * rows * num_tiles, -1) @ matrix.reshape(
        -1, tile_width * features
    )
    return product.reshape(batch, rows, columns, features)
