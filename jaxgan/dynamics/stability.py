"""Stability of gradient methods for games: learning rates at which the error contracts.

Near an equilibrium x*, F(x) ≈ J (x - x*), and every method below is linear. If both networks are
updated simultaneously, a step multiplies the error along an eigenvector of J with eigenvalue λ by a
factor μ that depends on w = ηλ only::

    simultaneous    x' = x - η F(x)                       μ = 1 - w
    with momentum   m' = b m + (1 - b) F(x)
                    x' = x - η m'                         μ² - (1 + b - (1 - b) w) μ + b = 0
    extragradient   x' = x - η F(x - η F(x))              μ = 1 - w + w²
    optimistic      x' = x - 2η F(x) + η F(x_previous)    μ² - (1 - 2w) μ - w = 0

The error shrinks if |μ| < 1. On the imaginary axis, where the eigenvalues of bilinear games lie, it
grows with simultaneous updates at every learning rate, and shrinks with extragradient for |w| < 1
and with optimistic updates for |w| < 1/√3. With alternating updates, the factors depend on how the
parameters are divided between D and G, and not on the eigenvalues of J alone.

References: Gidel et al. 2019a, "A variational inequality perspective on generative adversarial
networks" (extragradient); Gidel et al. 2019b, "Negative momentum for improved game dynamics"
(momentum, alternating updates); Daskalakis et al. 2018, "Training GANs with optimism"; Azizian et
al. 2020, "A tight and unified analysis of gradient-based methods for a whole spectrum of
differentiable games"; Zhang and Yu 2020, "Convergence of gradient methods on bilinear zero-sum
games" (all of them).
"""

from typing import Literal, get_args

import numpy as np

from jaxgan._checks import check_integers, check_number
from jaxgan.dynamics.spectrum import check_finite
from jaxgan.errors import ConfigError, ShapeError

UpdateMethod = Literal["simultaneous", "extragradient", "optimistic"]
ZERO_MODULUS = 1e-9  # relative to the largest; smaller moduli count as 0
NUM_BISECTIONS = 60


def contraction_factor(
    eigenvalues: np.typing.ArrayLike,
    learning_rate: np.typing.ArrayLike,
    method: UpdateMethod = "simultaneous",
    momentum: float = 0.0,
) -> np.ndarray:
    """Returns |μ|, the factor by which a step multiplies the error along each eigenvector.

    Args:
      eigenvalues: Complex, of the Jacobian; any shape.
      learning_rate: η, at least 0; broadcast against `eigenvalues`.
      method: How the networks are updated, see `jaxgan.dynamics.stability`.
      momentum: b, in (-1, 1); for `"simultaneous"` only.

    Returns:
      The larger |μ| of each eigenvalue, of the broadcast shape; the error shrinks if it is below 1.

    Raises:
      ConfigError: If there is no such method, it takes no momentum, or the momentum is out of its
        range.
    """
    check_method(method, momentum)
    w = np.asarray(learning_rate) * np.asarray(eigenvalues, complex)
    if method == "extragradient":
        return np.abs(1 - w + w**2)
    if method == "optimistic":
        return larger_root(1 - 2 * w, -w)
    if momentum:
        return larger_root(1 + momentum - (1 - momentum) * w, np.full_like(w, momentum))
    return np.abs(1 - w)


def check_method(method: UpdateMethod, momentum: float) -> None:
    """Raises ConfigError if the method or its momentum is invalid."""
    if method not in get_args(UpdateMethod):
        raise ConfigError(
            f"method is {method!r}, expected one of {', '.join(get_args(UpdateMethod))}"
        )
    if momentum and method != "simultaneous":
        raise ConfigError(
            f"momentum is {momentum} with method {method!r}, expected 0; only 'simultaneous' takes "
            "a momentum"
        )
    check_number("momentum", momentum, lower=-1, below=1, open_lower=True)


def larger_root(total: np.ndarray, product: np.ndarray) -> np.ndarray:
    """Returns the larger modulus of the roots of μ² - total μ + product."""
    root = np.sqrt(total**2 - 4 * product)
    return np.maximum(np.abs(total + root), np.abs(total - root)) / 2


def max_stable_rate(
    eigenvalues: np.typing.ArrayLike, method: UpdateMethod = "simultaneous", momentum: float = 0.0
) -> float:
    """Returns the learning rate below which the error contracts along every eigenvector.

    For simultaneous updates without momentum, this is the minimum of 2 Re λ / |λ|².

    Args:
      eigenvalues: Complex `[n]`, of the Jacobian. Eigenvalues of 0 are ignored, because the
        parameters do not move along their eigenvectors.
      method: See `contraction_factor`.
      momentum: See `contraction_factor`.

    Returns:
      The largest η such that every smaller learning rate contracts; 0 if there is none, infinity if
      all eigenvalues are 0.

    Raises:
      ConfigError: See `contraction_factor`; or if an eigenvalue is not finite.

    References:
      Mescheder et al. 2017, lemma 4 (simultaneous updates).
    """
    check_method(method, momentum)
    values = np.atleast_1d(np.asarray(eigenvalues, complex))
    if not np.isfinite(values).all():
        raise ConfigError(
            f"{np.sum(~np.isfinite(values))} of {values.size} eigenvalues are not finite, expected "
            "finite numbers; check the parameters"
        )
    moduli = np.abs(values)
    values, moduli = (x[moduli > ZERO_MODULUS * moduli.max(initial=0)] for x in (values, moduli))
    if not values.size:
        return float("inf")
    if method == "simultaneous" and not momentum:
        return max(0.0, float(np.min(2 * np.real(values) / moduli**2)))
    directions = values / moduli

    def is_stable(sizes):
        return contraction_factor(directions, sizes, method, momentum) < 1

    # No method is stable for |w| beyond the end of the grid, where |μ| = 1 has no solution. The
    # first grid point at which a direction is unstable is refined by bisection.
    grid = np.linspace(0, 2.1 * (1 + abs(momentum)) / (1 - abs(momentum)), 401)
    first = 1 + np.argmin([is_stable(size) for size in grid[1:]], axis=0)
    low, high = grid[first - 1], grid[first]
    for _ in range(NUM_BISECTIONS):
        middle = (low + high) / 2
        stable = is_stable(middle)
        low, high = np.where(stable, middle, low), np.where(stable, high, middle)
    low = np.where(low > 1e-6, low, 0.0)  # for smaller |w|, |μ| > 1 can be rounded to 1 or less
    return float(np.min(low / moduli))


def alternating_spectral_radius(
    jacobian: np.typing.ArrayLike, num_d: int, learning_rate: float
) -> float:
    """Returns the spectral radius of an alternating step, which is the largest |μ|.

    The step is d' = d - η F_d(d, g), then g' = g - η F_g(d', g). Updating G first gives the same
    value, because the products A B and B A of the two updates have the same eigenvalues.

    Args:
      jacobian: `[n, n]`, D's parameters first.
      num_d: Number of D's parameters, from 1 to n - 1.
      learning_rate: η, the learning rate of both networks.

    Returns:
      The largest |μ|, at least 0; the error shrinks if it is below 1.

    Raises:
      ShapeError: If the Jacobian is not square, or `num_d` is out of its range.
      ConfigError: If the Jacobian is not finite.

    References:
      Gidel et al. 2019b; Zhang and Yu 2020.
    """
    matrix = check_jacobian(jacobian, num_d)
    d_update, g_update = np.eye(len(matrix)), np.eye(len(matrix))
    d_update[:num_d] -= learning_rate * matrix[:num_d]
    g_update[num_d:] -= learning_rate * matrix[num_d:]
    return float(np.abs(np.linalg.eigvals(g_update @ d_update)).max())


def check_jacobian(jacobian: np.typing.ArrayLike, num_d: int) -> np.ndarray:
    """Returns the Jacobian in float64; raises ShapeError or ConfigError if it is invalid."""
    matrix = np.asarray(jacobian, np.float64)
    check_integers(num_d=num_d)
    if matrix.ndim != 2 or len(set(matrix.shape)) != 1 or not 0 < num_d < len(matrix):
        raise ShapeError(
            f"the Jacobian has shape {list(matrix.shape)} and num_d is {num_d}, expected [n, n] "
            "and 1 to n - 1; pass the return value of `jacobian` and the number of D's parameters"
        )
    check_finite(matrix)
    return matrix


def max_alternating_rate(jacobian: np.typing.ArrayLike, num_d: int) -> float:
    """Returns the learning rate below which the error contracts with alternating updates.

    Args:
      jacobian: `[n, n]`, D's parameters first; not singular, since an eigenvalue of 0 never
        contracts.
      num_d: Number of D's parameters, from 1 to n - 1.

    Returns:
      The largest η such that every smaller learning rate contracts; 0 if there is none, as in
      bilinear games, in which alternating updates circle at a constant distance.

    Raises:
      ShapeError: See `alternating_spectral_radius`.
      ConfigError: If the Jacobian is not finite.
    """
    matrix = check_jacobian(jacobian, num_d)
    values = np.linalg.eigvals(matrix)
    scale = np.abs(values).max()
    if scale == 0:
        return 0.0
    simultaneous = max_stable_rate(values) * scale / 2
    start = (min(simultaneous, 1e-3) if simultaneous > ZERO_MODULUS else 1e-3) / scale
    margin = 1e-10 * start * scale  # rounding of a factor that is 1

    def is_stable(rate):
        return alternating_spectral_radius(matrix, num_d, rate) < 1 - margin

    if not is_stable(start):
        return 0.0
    low = start
    while is_stable(high := 1.05 * low):
        low = high
    for _ in range(NUM_BISECTIONS):
        middle = (low + high) / 2
        low, high = (middle, high) if is_stable(middle) else (low, middle)
    return low
