"""Stability of the ways to play: which learning rates make the error contract near an equilibrium.

Close to an equilibrium x*, F(x) = J (x - x*), and every method below is linear. If it is a function
of the gradients alone, its error along an eigenvector of J with eigenvalue λ is multiplied in each
step by a factor μ that depends on the product w = ηλ only::

    simultaneous    x' = x - η F(x)                       μ = 1 - w
    with momentum   m' = b m + (1 - b) F(x)
                    x' = x - η m'                         μ² - (1 + b - (1 - b) w) μ + b = 0
    extragradient   x' = x - η F(x - η F(x))              μ = 1 - w + w²
    optimistic      x' = x - 2η F(x) + η F(x_previous)    μ² - (1 - 2w) μ - w = 0

The error shrinks if |μ| < 1. On the imaginary axis, where bilinear games have their eigenvalues,
simultaneous play grows for every rate, extragradient play shrinks for |w| < 1 and optimistic play
for |w| < 1/√3. Alternating play updates one network after the other, so it depends on how J is
divided between them, and not on the eigenvalues alone.

References: Gidel et al. 2019a, 2019b; Daskalakis et al. 2018; Azizian et al. 2020; Zhang and Yu
2020 (the four factors).
"""

from typing import Literal, get_args

import numpy as np

from jaxgan._checks import check_integers
from jaxgan.errors import ConfigError, ShapeError

PlayMethod = Literal["simultaneous", "extragradient", "optimistic"]
ZERO = 1e-9  # moduli below this, relative to the largest, count as 0
BISECTIONS = 60


def contraction_factor(
    eigenvalues: np.typing.ArrayLike,
    rate: np.typing.ArrayLike,
    method: PlayMethod = "simultaneous",
    momentum: float = 0.0,
) -> np.ndarray:
    """Returns |μ|, by which a step multiplies the error along each eigenvector.

    Args:
      eigenvalues: Complex, any shape.
      rate: The learning rate η; broadcast against `eigenvalues`.
      method: See the table in this module.
      momentum: b, in (-1, 1); for `"simultaneous"` only.

    Raises:
      ConfigError: If there is no such method, or it takes no momentum.
    """
    if method not in get_args(PlayMethod):
        raise ConfigError(
            f"method is {method!r}, expected one of {', '.join(get_args(PlayMethod))}"
        )
    if momentum and method != "simultaneous":
        raise ConfigError(f"momentum is {momentum} with method {method}, expected 0")
    w = np.asarray(rate) * np.asarray(eigenvalues, complex)
    if method == "extragradient":
        return np.abs(1 - w + w**2)
    if method == "optimistic":
        return larger_root(1 - 2 * w, -w)
    if momentum:
        return larger_root(1 + momentum - (1 - momentum) * w, np.full_like(w, momentum))
    return np.abs(1 - w)


def larger_root(total: np.ndarray, product: np.ndarray) -> np.ndarray:
    """Returns the larger modulus of the roots of μ² - total μ + product."""
    root = np.sqrt(total**2 - 4 * product)
    return np.maximum(np.abs(total + root), np.abs(total - root)) / 2


def max_stable_rate(
    eigenvalues: np.typing.ArrayLike, method: PlayMethod = "simultaneous", momentum: float = 0.0
) -> float:
    """Returns the rate below which a method contracts along every eigenvector.

    For simultaneous play without momentum, this is the smallest 2 Re λ / |λ|².

    Args:
      eigenvalues: `[n]`, of the Jacobian. Those that are 0 are ignored: nothing moves there.
      method: See the table in this module.
      momentum: See `contraction_factor`.

    Returns:
      The largest η such that every smaller rate contracts; 0 if there is none, infinity if all
      eigenvalues are 0.

    Raises:
      ConfigError: If there is no such method, or it takes no momentum.

    References:
      Mescheder et al. 2017, lemma 4 (simultaneous play).
    """
    values = np.atleast_1d(np.asarray(eigenvalues, complex))
    moduli = np.abs(values)
    values, moduli = (x[moduli > ZERO * moduli.max(initial=0)] for x in (values, moduli))
    if not values.size:
        return float("inf")
    if method == "simultaneous" and not momentum:
        return max(0.0, float(np.min(2 * np.real(values) / moduli**2)))
    directions = values / moduli

    def is_stable(sizes):
        return contraction_factor(directions, sizes, method, momentum) < 1

    # No method is stable beyond the last size |w| of the grid: there, |μ| = 1 has no solution. The
    # first size at which a direction is unstable is refined by bisection.
    grid = np.linspace(0, 2.1 * (1 + abs(momentum)) / (1 - abs(momentum)), 401)
    first = 1 + np.argmin([is_stable(size) for size in grid[1:]], axis=0)
    low, high = grid[first - 1], grid[first]
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        stable = is_stable(middle)
        low, high = np.where(stable, middle, low), np.where(stable, high, middle)
    low = np.where(low > 1e-6, low, 0.0)  # below, factors above 1 are rounded to 1 or less
    return float(np.min(low / moduli))


def alternating_factor(jacobian: np.typing.ArrayLike, num_d: int, rate: float) -> float:
    """Returns the spectral radius of an alternating step, |μ| of its slowest or fastest direction.

    The step is d' = d - η F_d(d, g), then g' = g - η F_g(d', g). Updating G first gives the same
    factor, since the two products of the two updates have the same eigenvalues.

    Args:
      jacobian: `[n, n]`, D's parameters first.
      num_d: Number of D's parameters, from 1 to n - 1.
      rate: The learning rate η of both networks.

    Raises:
      ShapeError: If the Jacobian is not square, or `num_d` is out of its range.

    References:
      Gidel et al. 2019b; Zhang and Yu 2020.
    """
    matrix = np.asarray(jacobian, np.float64)
    check_integers(num_d=num_d)
    if matrix.ndim != 2 or len(set(matrix.shape)) != 1 or not 0 < num_d < len(matrix):
        raise ShapeError(
            f"the Jacobian has shape {list(matrix.shape)} and num_d is {num_d}, expected [n, n] "
            "and 1 to n - 1; pass the return value of `jacobian` and the number of D's parameters"
        )
    d_update, g_update = np.eye(len(matrix)), np.eye(len(matrix))
    d_update[:num_d] -= rate * matrix[:num_d]
    g_update[num_d:] -= rate * matrix[num_d:]
    return float(np.abs(np.linalg.eigvals(g_update @ d_update)).max())


def max_alternating_rate(jacobian: np.typing.ArrayLike, num_d: int) -> float:
    """Returns the rate below which alternating gradient play contracts.

    Args:
      jacobian: `[n, n]`, D's parameters first, without directions in which nothing moves.
      num_d: Number of D's parameters.

    Returns:
      The largest η such that every smaller rate contracts; 0 if there is none, as in bilinear
      games, in which alternating play circles without end.

    Raises:
      ShapeError: See `alternating_factor`.
    """
    matrix = np.asarray(jacobian, np.float64)
    values = np.linalg.eigvals(matrix)
    scale = np.abs(values).max()
    simultaneous = max_stable_rate(values) * scale / 2
    start = (min(simultaneous, 1e-3) if simultaneous > ZERO else 1e-3) / scale
    margin = 1e-10 * start * scale  # rounding of a factor that is 1

    def is_stable(rate):
        return alternating_factor(matrix, num_d, rate) < 1 - margin

    if not is_stable(start):
        return 0.0
    low = start
    while is_stable(high := 1.05 * low):
        low = high
    for _ in range(BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if is_stable(middle) else (low, middle)
    return low
