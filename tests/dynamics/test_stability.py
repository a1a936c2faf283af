import numpy as np
import pytest

from jaxgan.dynamics import (
    alternating_spectral_radius,
    contraction_factor,
    max_alternating_rate,
    max_stable_rate,
)
from jaxgan.errors import ConfigError, ShapeError


@pytest.mark.parametrize(
    ("method", "momentum", "real_limit", "imaginary_limit"),
    [
        ("simultaneous", 0.0, 2, 0),
        ("simultaneous", 0.9, 2 * 1.9 / 0.1, 0),  # 2 (1 + b) / (1 - b), Cohen et al. 2022
        ("simultaneous", -0.5, 2 * 0.5 / 1.5, 0),
        ("extragradient", 0.0, 1, 1),
        ("optimistic", 0.0, 2 / 3, 1 / np.sqrt(3)),
    ],
)
def test_max_stable_rate_on_the_axes(method, momentum, real_limit, imaginary_limit):
    def limit(*values):
        return max_stable_rate(values, method, momentum)

    np.testing.assert_allclose(limit(4.0), real_limit / 4, rtol=1e-10)
    np.testing.assert_allclose(limit(4.0, 0.0), real_limit / 4, rtol=1e-10)
    np.testing.assert_allclose(limit(2j, -2j), imaginary_limit / 2, rtol=1e-10, atol=1e-12)
    assert limit(-0.1, 4.0) == 0


@pytest.mark.parametrize(
    ("method", "momentum"),
    [("simultaneous", 0.0), ("simultaneous", 0.5), ("extragradient", 0), ("optimistic", 0)],
)
def test_contraction_factor_is_one_at_the_limit(method, momentum):
    rng = np.random.default_rng(0)
    for value in rng.uniform(0.05, 2, 20) + 1j * rng.normal(size=20):
        limit = max_stable_rate([value], method, momentum)
        below, at, above = (
            contraction_factor(value, scale * limit, method, momentum) for scale in (0.99, 1, 1.01)
        )
        np.testing.assert_allclose(at, 1, rtol=1e-9)
        assert below < 1 < above


def test_max_stable_rate_of_simultaneous_updates_is_the_formula_of_the_paper():
    value = 0.3 - 1.7j  # Mescheder et al. 2017, lemma 4
    expected = 1 / value.real * 2 / (1 + (value.imag / value.real) ** 2)
    np.testing.assert_allclose(max_stable_rate([value]), expected, rtol=1e-12)
    assert max_stable_rate([0.0]) == np.inf


@pytest.mark.parametrize(("damping", "coupling"), [(0.3, 0.5), (2.0, 0.4), (0.01, 3.0)])
def test_max_alternating_rate_of_a_damped_rotation(damping, coupling):
    # The step has the trace 2 - ηa - η²c² and the determinant 1 - ηa, so it contracts if
    # η²c² + 2ηa < 4.
    root = np.sqrt(damping**2 + 4 * coupling**2)
    expected = (root - damping) / coupling**2
    jacobian = [[damping, coupling], [-coupling, 0.0]]
    np.testing.assert_allclose(max_alternating_rate(jacobian, 1), expected, rtol=1e-9)
    np.testing.assert_allclose(alternating_spectral_radius(jacobian, 1, expected), 1, rtol=1e-9)


def test_alternation_can_converge_where_simultaneous_updates_diverges():
    jacobian = np.array([[1.0, 2.0], [-2.0, -1.0]])  # eigenvalues ±√3 i
    assert max_stable_rate(np.linalg.eigvals(jacobian)) < 1e-12
    # The trace is 2 - 4η² and the determinant 1 - η², so it contracts if 5η² < 4.
    np.testing.assert_allclose(max_alternating_rate(jacobian, 1), np.sqrt(4 / 5), rtol=1e-9)


def test_alternating_play_of_a_bilinear_game_neither_shrinks_nor_grows():
    jacobian = np.array([[0.0, 1.5], [-1.5, 0.0]])
    assert max_alternating_rate(jacobian, 1) == 0
    np.testing.assert_allclose(alternating_spectral_radius(jacobian, 1, 0.7), 1, rtol=1e-12)


def test_alternating_spectral_radius_does_not_depend_on_the_order():
    rng = np.random.default_rng(1)
    matrix = rng.normal(size=(5, 5))
    swapped = np.roll(np.roll(matrix, -2, 0), -2, 1)  # the last two parameters are updated last
    first, second = (
        alternating_spectral_radius(matrix, 2, 0.1),
        alternating_spectral_radius(swapped, 3, 0.1),
    )
    np.testing.assert_allclose(first, second, rtol=1e-10)


def test_stability_raises_on_what_it_cannot_predict():
    with pytest.raises(ConfigError, match="method is 'adam', expected one of simultaneous"):
        max_stable_rate([1.0], "adam")
    with pytest.raises(ConfigError, match=r"momentum is 0\.5 with method 'optimistic', expected 0"):
        contraction_factor([1.0], 0.1, "optimistic", 0.5)
    for shape, num_d in (((2, 3), 1), ((3, 3), 3), ((3, 3), 0)):
        with pytest.raises(ShapeError, match=r"expected \[n, n\] and 1 to n - 1"):
            alternating_spectral_radius(np.zeros(shape), num_d, 0.1)
        with pytest.raises(ShapeError, match=r"expected \[n, n\] and 1 to n - 1"):
            max_alternating_rate(np.zeros(shape), num_d)


@pytest.mark.parametrize("momentum", [1.0, -1.0, 1.5, np.nan])
def test_stability_raises_if_the_momentum_is_out_of_range(momentum):
    for function in (max_stable_rate, lambda x, **k: contraction_factor(x, 0.1, **k)):
        with pytest.raises(ConfigError, match=r"momentum is .*, expected more than -1 and below 1"):
            function([1.0], momentum=momentum)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_stable_rates_raise_if_the_jacobian_is_not_finite(value):
    for eigenvalues in ([value], [1.0, value]):
        with pytest.raises(ConfigError, match=r"1 of \d eigenvalues are not finite"):
            max_stable_rate(eigenvalues)
    with pytest.raises(ConfigError, match="the Jacobian has entries that are not finite"):
        max_alternating_rate([[1.0, value], [0.0, 1.0]], num_d=1)


def test_max_alternating_rate_is_zero_without_a_gradient():
    assert max_alternating_rate(np.zeros((2, 2)), num_d=1) == 0
