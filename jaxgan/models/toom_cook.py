"""Convolutions with fewer multiplications, by Toom-Cook's algorithm along the rows.

The correlation of pixels d with a kernel row g of k taps,

    y[j] = Σ_i g[i] d[j + i]   for j = 0, …, m - 1,

takes m k multiplications if it is computed directly. The m outputs depend on n = m + k - 1 pixels.
Toom-Cook's algorithm, which is Winograd's F(m, k), takes n multiplications:

    y = Aᵀ ((G g) ⊙ (Bᵀ d)).

It follows from the product of two polynomials: g(x) of degree k - 1, whose coefficients are the
taps, and any h(x) of degree m - 1. Their product s(x) has n coefficients, so n values determine it:
those at n - 1 points p_i, and its leading coefficient, the "value at infinity". With

    M(x) = Π_j (x - p_j)   and   M_i(x) = Π_{j≠i} (x - p_j),

the interpolation is

    s(x) = Σ_i g(p_i) h(p_i) M_i(x) / M_i(p_i) + g[k - 1] h[m - 1] M(x).

Both sides agree at every p_i, where M is 0, and in the leading coefficient. This is
s = B ((G g) ⊙ (A h)):

* row i of A is 1, p_i, …, p_i^{m-1}, which evaluates h; the last row is 0, …, 0, 1;
* row i of G is 1, p_i, …, p_i^{k-1}, divided by M_i(p_i); the last row is 0, …, 0, 1;
* column i of B has the coefficients of M_i, the last column those of M.

For a fixed g the map from h to s is a matrix with the entries g[l - j] in row l and column j. Its
transpose maps d to y. Transposing B diag(G g) A gives the formula above.

In a convolution of images, every multiplication becomes a product of matrices over the channels.
Along the columns the kernel is applied directly: the rows of the kernel are stacked in the
contracted axis. The points are the first n - 1 of 0, ±1, ±2, ±1/2. All seven, for n = 8, give a
smaller rounding error than other small fractions. The entries of A and B are exact in floating
point, and so small that n = 8 costs about one decimal digit.

References:
  Toom 1963; Cook 1966; Winograd 1980; Lavin and Gray 2016, section 4 (convolutional networks);
  Barabasz et al. 2020 (rounding errors and points).
"""

from functools import lru_cache

import jax.numpy as jnp
import numpy as np
from jax import lax
from numpy.polynomial.polynomial import polyfromroots

from jaxgan.models.spatial import pad_spatial

POINTS = (0.0, 1.0, -1.0, 2.0, -2.0, 0.5, -0.5)
MAX_SIZE = len(POINTS) + 1  # the largest n


@lru_cache
def toom_cook_matrices(m: int, k: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns the matrices Aᵀ, Bᵀ and G of y = Aᵀ ((G g) ⊙ (Bᵀ d)).

    Args:
      m: Number of outputs, at least 1.
      k: Number of taps of the kernel, at least 1; m + k is at most 9.

    Returns:
      float64 `[m, n]`, `[n, n]` and `[n, k]`, with n = m + k - 1. The first two are exact; the
      entries of G are rounded once.
    """
    points = np.array(POINTS[: m + k - 2])
    others = [np.delete(points, i) for i in range(len(points))]
    scales = np.array([np.prod(p - rest) for p, rest in zip(points, others, strict=True)])
    # polyfromroots gives the coefficients of the product of (x - p), the lowest power first.
    b_t = np.stack([*(np.append(polyfromroots(rest), 0) for rest in others), polyfromroots(points)])
    a = np.vstack([np.vander(points, m, increasing=True), np.eye(m)[-1:]])
    g = np.vstack([np.vander(points, k, increasing=True) / scales[:, None], np.eye(k)[-1:]])
    return a.T, b_t, g


def best_tile_width(columns: int, kw: int) -> int:
    """Returns the m with the fewest multiplications, or 0 if no m above 1 is possible.

    Of several, the smallest, since the rounding error grows with the width.

    Args:
      columns: Number of output pixels in a row.
      kw: Number of taps of the kernel in a row.
    """
    widths = range(2, MAX_SIZE - kw + 2)
    return min(widths, key=lambda m: count_multiplications(columns, kw, m), default=0)


def count_multiplications(columns: int, kw: int, tile_width: int) -> int:
    """Returns the number of multiplications for one row of outputs and one row of the kernel.

    A tile of m pixels needs m + kw - 1 multiplications, even if it extends beyond the row.
    """
    return -(-columns // tile_width) * (tile_width + kw - 1)


def conv_by_toom_cook(x, kernel, tile_width):
    """Computes a convolution without padding, strides or dilation.

    Each output row is divided into tiles of m pixels. Derivatives of any order are built from the
    same operations, so they are as fast.

    Args:
      x: `[B, H, W, C]`.
      kernel: `[kh, kw, C, F]`, not larger than the input.
      tile_width: m, with m + kw at most 9. The last tile may extend beyond the row.

    Returns:
      `[B, H', W', F]`.
    """
    kh, kw, channels, features = kernel.shape
    batch, height = x.shape[:2]
    rows, columns = height - kh + 1, x.shape[2] - kw + 1
    num_tiles, n = -(-columns // tile_width), tile_width + kw - 1
    a_t, b_t, g = toom_cook_matrices(tile_width, kw)
    # Each row in groups of m pixels, of which a tile takes the n pixels from its own group on.
    num_groups = num_tiles - 1 + -(-n // tile_width)
    x = pad_spatial(x, ((0, 0), (0, num_groups * tile_width - x.shape[2])))
    groups = x.reshape(batch, height, num_groups, tile_width * channels)
    # `lax.split` is used because its derivative is one concatenation; that of indexing is a sum of
    # padded arrays.
    slots = lax.split(groups, [channels] * tile_width, axis=3)
    # n arrays [B, H, tiles, C]: pixel j of each tile.
    pixels = [
        slots[j % tile_width][:, :, j // tile_width : j // tile_width + num_tiles] for j in range(n)
    ]
    # [n, B, H, tiles, C], then [n, B, H', tiles, kh * C]: of the kh input rows of each output row.
    tiles = jnp.stack([weighted_sum(row, pixels) for row in b_t])
    tiles = jnp.concatenate([tiles[:, :, i : i + rows] for i in range(kh)], 4)
    kernels = jnp.einsum("pj,ijcf->picf", jnp.asarray(g, x.dtype), kernel)
    # One product per point, all in one call: n separate products are ten times slower.
    products = lax.dot_general(
        tiles.reshape(n, -1, kh * channels),
        kernels.reshape(n, kh * channels, features),
        (((2,), (1,)), ((0,), (0,))),
    )
    products = products.reshape(n, batch, rows, num_tiles, features)
    products = [a[0] for a in lax.split(products, [1] * n, axis=0)]
    y = jnp.concatenate([weighted_sum(row, products) for row in a_t], 3)
    return y.reshape(batch, rows, num_tiles * tile_width, features)[:, :, :columns]


def weighted_sum(weights, arrays):
    """Returns the sum of `weights[i] * arrays[i]`, without the terms of weight 0."""
    terms = [a * w.astype(a.dtype) for w, a in zip(weights, arrays, strict=True) if w]
    return sum(terms[1:], terms[0])
