from fractions import Fraction

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import lax

from jaxgan.models import strided_conv, toom_cook
from tests.helpers.networks import draw_arrays

# Every pair of a number of outputs and a number of taps.
SIZES = [(m, k) for k in range(1, 9) for m in range(1, 10 - k)]


def lax_conv(x, kernel):
    return lax.conv_general_dilated(
        x, kernel, (1, 1), "VALID", dimension_numbers=strided_conv.LAYOUT, precision="highest"
    )


def test_toom_cook_matrices_compute_correlations_exactly():
    """In rational arithmetic, with the entries of G as the fractions they are rounded from."""
    rng = np.random.default_rng(0)
    for m, k in SIZES:
        a_t, b_t, g = (np.vectorize(Fraction)(x) for x in toom_cook.toom_cook_matrices(m, k))
        # G's entries are dyadic multiples of 1/M_i(p_i), and M_i(p_i) divides 2^a 3^b 5^c.
        g = np.vectorize(lambda x: x.limit_denominator(10_000))(g)
        d = np.vectorize(Fraction)(rng.integers(-9, 10, m + k - 1))
        taps = np.vectorize(Fraction)(rng.integers(-9, 10, k))
        direct = [sum(taps[i] * d[j + i] for i in range(k)) for j in range(m)]
        assert list(a_t @ ((g @ taps) * (b_t @ d))) == direct, (m, k)


def test_toom_cook_matrices_of_f_2_3_are_winograds():
    """Lavin and Gray 2016, section 4.1, with the points 0, 1, -1; rows may differ in sign."""
    a_t, b_t, g = toom_cook.toom_cook_matrices(2, 3)
    products = np.einsum("mp,pn,pk->mnk", a_t, b_t, g)
    b_paper = [[1, 0, -1, 0], [0, 1, 1, 0], [0, -1, 1, 0], [0, 1, 0, -1]]
    g_paper = [[1, 0, 0], [0.5, 0.5, 0.5], [0.5, -0.5, 0.5], [0, 0, 1]]
    a_paper = [[1, 1, 1, 0], [0, 1, -1, -1]]
    np.testing.assert_array_equal(products, np.einsum("mp,pn,pk->mnk", a_paper, b_paper, g_paper))
    np.testing.assert_array_equal(np.abs(b_t), np.abs(b_paper))


@pytest.mark.parametrize("kw", range(1, 9))
def test_conv_by_toom_cook_equals_lax_for_all_tile_widths(kw):
    """The error relative to the largest value stays below 1e-5 in float32, for n up to 8."""
    x, kernel = draw_arrays((2, 5, kw + 6, 3), (3, kw, 3, 2))
    expected = lax_conv(x, kernel)
    widths = range(1, 10 - kw)
    actual = jax.jit(lambda x, k: [toom_cook.conv_by_toom_cook(x, k, m) for m in widths])(x, kernel)
    scale = float(jnp.abs(expected).max())
    for m, result in zip(widths, actual, strict=True):
        np.testing.assert_allclose(result, expected, rtol=0, atol=1e-5 * scale, err_msg=f"{m}")


def test_conv_by_toom_cook_is_exact_to_rounding_in_float64():
    with jax.enable_x64():
        x, kernel = (jnp.asarray(a, jnp.float64) for a in draw_arrays((2, 6, 12, 3), (5, 5, 3, 4)))
        expected = lax_conv(x, kernel)
        for m in range(1, 5):
            result = toom_cook.conv_by_toom_cook(x, kernel, m)
            np.testing.assert_allclose(result, expected, rtol=0, atol=1e-13)


def test_conv_by_toom_cook_derivatives_under_vmap_equal_lax():
    """The first derivatives, and those of a gradient penalty, which are second derivatives."""
    x, kernel = draw_arrays((2, 5, 9, 2), (3, 3, 2, 3))

    def energy(x, kernel, conv):
        return jnp.sum(jnp.sin(conv(x, kernel)))

    def penalty(kernel, x, conv):
        return jnp.sum(jax.grad(energy)(x, kernel, conv) ** 2)

    def derivatives(kernel, conv):
        return jax.grad(energy, (0, 1))(x, kernel, conv), jax.grad(penalty)(kernel, x, conv)

    def toom_cook_conv(x, kernel):
        return toom_cook.conv_by_toom_cook(x, kernel, 4)

    kernels = jnp.stack([kernel, -2 * kernel])
    actual, expected = (
        jax.jit(jax.vmap(lambda k, conv=conv: derivatives(k, conv)))(kernels)
        for conv in (toom_cook_conv, lax_conv)
    )
    for a, b in zip(jax.tree.leaves(actual), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(a, b, rtol=1e-4, atol=1e-4 * float(jnp.abs(b).max()))
