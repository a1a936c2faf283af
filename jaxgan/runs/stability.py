"""The stability of a run's checkpoints, from the eigenvalues of the preconditioned Jacobian."""

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.flatten_util import ravel_pytree

from jaxgan import dynamics
from jaxgan.data.mixture import MIXTURES, mixture_source
from jaxgan.data.parabola import parabola_source
from jaxgan.data.sources import from_pixels
from jaxgan.dynamics.jacobian import squared_norm
from jaxgan.dynamics.stability import UpdateMethod
from jaxgan.errors import ConfigError
from jaxgan.gan import GAN
from jaxgan.runs.image_data import read_classes, reopen_dataset

# The largest residual of an eigenvalue that is used, relative to the largest modulus.
RESIDUAL_TOLERANCE = 1e-2


class UpdateRule(NamedTuple):
    """How a run updates its networks, as far as the stability of a step depends on it.

    Attributes:
      method: The method whose region of stability applies.
      alternating: Whether the networks are updated in turn.
      learning_rate: The learning rate at the start.
      decay_steps: Train steps over which it falls linearly to 0; None if it is constant.
      momentum: Decay of the first moment; 0 for methods other than simultaneous updates.
      b2: Decay of the second moment.
      neglected: Settings of the run that the region of stability does not account for.
    """

    method: UpdateMethod
    alternating: bool
    learning_rate: float
    decay_steps: int | None
    momentum: float
    b2: float
    neglected: tuple[str, ...] = ()

    def rate_at(self, step: int) -> float:
        """Returns the learning rate of the update before a train step."""
        if self.decay_steps is None:
            return self.learning_rate
        return self.learning_rate * max(0.0, 1 - (step - 1) / self.decay_steps)

    def factors(self, products: np.ndarray) -> np.ndarray:
        """Returns the factors of the error for eigenvalues times the learning rate."""
        return dynamics.contraction_factor(products, 1.0, self.method, self.momentum)

    def describe(self) -> str:
        """Returns a short description, such as `alternating updates, momentum 0.5`."""
        if self.method != "simultaneous":
            return (
                f"alternating {self.method} updates"
                if self.alternating
                else f"{self.method} updates"
            )
        name = "alternating" if self.alternating else "simultaneous"
        return f"{name} updates, momentum {self.momentum:g}"


class CheckpointStability(NamedTuple):
    """What was found at a checkpoint.

    Attributes:
      step: The train step.
      rate: The learning rate.
      spectrum: Eigenvalues of the preconditioned Jacobian; for alternating updates, of the matrix L
        of `dynamics.alternating_product`.
      rotation: See `dynamics.rotation`.
      field_norm: Euclidean norm of both gradients.
    """

    step: int
    rate: float
    spectrum: dynamics.Spectrum
    rotation: float
    field_norm: float


def read_update_rule(config: dict[str, Any]) -> UpdateRule:
    """Returns how a run updates its networks, from its config.json.

    Raises:
      ConfigError: If the run was not started by an experiment, or has no learning rate.
    """
    options = config.get("config", {})
    if "learning_rate" not in options:
        raise ConfigError(
            "the run records no learning rate, expected a run of an experiment with Adam or "
            "RMSprop; analyze it in Python with jaxgan.dynamics"
        )
    order = config["train"]["options"]["update_order"]
    method: UpdateMethod = "simultaneous"
    if order == "extragradient":
        method = "extragradient"
    elif options.get("optimistic"):
        method = "optimistic"
    neglected = []
    if options.get("b1") and method != "simultaneous":
        neglected.append(f"b1 {options['b1']:g}")
    if options.get("d_learning_rate") not in (None, options["learning_rate"]):
        neglected.append(f"d_learning_rate {options['d_learning_rate']:g}")
    if options.get("optimistic") and method != "optimistic":
        neglected.append("optimistic")
    if method != "extragradient":
        steps = {name: config["train"]["options"].get(name, 1) for name in ("d_steps", "g_steps")}
        neglected += [f"{name} {num}" for name, num in steps.items() if num != 1]
    return UpdateRule(
        method=method,
        alternating=order in ("d_first", "g_first"),
        learning_rate=options["learning_rate"],
        decay_steps=options.get("decay_steps"),
        momentum=options.get("b1", 0.0) if method == "simultaneous" else 0.0,
        b2=options.get("b2", 0.9),
        neglected=tuple(neglected),
    )


def load_batch(
    config: dict[str, Any], data_dir: Path, num: int, key: jax.Array
) -> tuple[jax.Array, jax.Array | None]:
    """Returns `num` random samples of a run's data, and their condition or None.

    Raises:
      ConfigError: If the data are of a kind that cannot be drawn again from config.json.
      DataError: If the data set is not available, or has changed.
    """
    data = config.get("data", {})
    mixture = MIXTURES.get(data.get("name"))
    if data.get("name") == "parabola" or mixture is not None:
        source = parabola_source(num) if mixture is None else mixture_source(mixture, num)
        return source.batch(source.arrays, (), key, jnp.int32(0))
    if len(data.get("shape", ())) != 3 or "conditional" not in config["config"]:
        raise ConfigError(
            f"the run was trained on {data.get('name', 'other data')}, expected parabolas, a "
            "mixture, or the images of a data set; analyze it in Python with jaxgan.dynamics"
        )
    images = reopen_dataset(data, data_dir)
    rows = np.asarray(jax.random.choice(key, images.num, (min(num, images.num),), replace=False))
    rows = np.sort(rows)
    real = from_pixels(jnp.asarray(images.read(rows).images))
    if not config["config"]["conditional"]:
        return real, None
    return real, jnp.asarray(read_classes(images)[0][rows])


def make_analysis(gan: GAN, rule: UpdateRule, num_matvecs: int) -> Callable:
    """Returns the jit-compiled analysis of a state.

    Returns:
      `(state, real, key, condition, rate) -> (hessenberg, residual, rotation, field_norm)`.
    """

    @jax.jit
    def analyze(state, real, key, condition, rate):
        field_fn, params = dynamics.make_gan_field(gan, state, real, key, condition)
        scale = tuple(
            dynamics.adam_preconditioner(network.opt_state, rule.b2)
            for network in (state.d, state.g)
        )
        product_fn = dynamics.precondition(
            partial(dynamics.jacobian_vector_product, field_fn, params), scale
        )
        if rule.alternating:
            product_fn = partial(dynamics.alternating_product, product_fn, learning_rate=rate)
        flat, unravel = ravel_pytree(params)
        # The product removes the components along which nothing moves.
        vector = product_fn(unravel(jax.random.normal(jax.random.key(0), flat.shape, flat.dtype)))
        hessenberg, residual = dynamics.arnoldi(product_fn, vector, num_matvecs)
        norm = jnp.sqrt(squared_norm(field_fn(params)))
        return hessenberg, residual, dynamics.rotation(field_fn, params), norm

    return analyze


def summarize(found: list[CheckpointStability], rule: UpdateRule) -> str:
    """Returns a paragraph that says what was seen at the last checkpoint, and before."""
    last = found[-1]
    values = last.spectrum.converged(RESIDUAL_TOLERANCE).eigenvalues
    if not len(values):
        return f"Step {last.step:,}: no eigenvalue converged; use more --num-matvecs."
    lowest = values[np.argmin(np.real(values))]
    limit = dynamics.max_stable_rate(values, rule.method, rule.momentum)
    outside = values[rule.factors(last.rate * values) > 1]
    rotating = int(np.sum(np.abs(np.imag(outside)) > np.abs(np.real(outside))))
    first, before = found[0], ""
    if first is not last:
        before = f"; it was {first.rotation:.2f} at step {first.step:,}"
    neglected = f" Not accounted for: {', '.join(rule.neglected)}." if rule.neglected else ""
    return (
        f"Step {last.step:,} ({rule.describe()}, learning rate {last.rate:.3g}): "
        f"{describe_motion(values, last.rate, rule)} Of {len(values)} converged eigenvalues, "
        f"{len(outside)} do not contract, of which {rotating} rotate. The largest modulus is that "
        f"of {format_complex(values[0])}, the smallest real part that of {format_complex(lowest)}; "
        f"{describe_limit(limit)}. The rotation fraction is "
        f"{last.rotation:.2f}{before}. The norm of both gradients is {last.field_norm:.3g}."
        f"{neglected}"
    )


def describe_motion(values: np.ndarray, rate: float, rule: UpdateRule) -> str:
    """Returns what the fastest growing of the converged eigenvalues does: circle, leave, converge.

    Args:
      values: `[k]`, the eigenvalues.
      rate: The learning rate.
      rule: How the run updates its networks.
    """
    factors = rule.factors(rate * values)
    fastest = values[np.argmax(factors)]
    rotating = abs(fastest.imag) > abs(fastest.real)
    growth = describe_growth(factors.max())
    if rotating:
        turn = 2 * np.pi / (rate * abs(fastest.imag)) if rate else np.inf
        pair = f"the pair {format_complex(fastest)} turns once in about {turn:,.0f} steps"
        if factors.max() > 1:
            return f"Training circles and moves away: {pair}, and {growth}."
        return f"Training circles towards an equilibrium: {pair}, and {growth}."
    if factors.max() <= 1:
        slowest = format_complex(fastest)
        return f"Training converges: the slowest eigenvalue is {slowest}, and {growth}."
    if fastest.real < 0:
        return (
            f"Training leaves a saddle: the eigenvalue {format_complex(fastest)} has a negative "
            f"real part, and {growth}."
        )
    return (
        f"The learning rate is too large: the eigenvalue {format_complex(fastest)} overshoots, and "
        f"{growth}."
    )


def describe_limit(limit: float) -> str:
    """Returns which learning rates would make the error contract."""
    if limit <= 0:
        return "no learning rate would be stable"
    return f"learning rates below {limit:.3g} would be stable"


def describe_growth(factor: float) -> str:
    """Returns how fast an error grows or shrinks that every step multiplies by `factor`."""
    if abs(factor - 1) < 1e-12:
        return "the error along it stays constant"
    verb = "grows" if factor > 1 else "shrinks"
    return f"the error along it {verb} e-fold in about {1 / abs(np.log(factor)):,.0f} steps"


def format_complex(value: complex) -> str:
    """Returns a complex number as text, such as `1.2 ± 3.4i`."""
    if abs(value.imag) < 1e-6 * max(abs(value), 1e-300):
        return f"{value.real:.3g}"
    return f"{value.real:.3g} ± {abs(value.imag):.3g}i"
