"""A GAN as a container of pure functions, and the types of these functions."""

from collections.abc import Callable
from typing import Any, NamedTuple, Protocol

import jax

from jaxgan.priors import Prior
from jaxgan.states import GANState

Condition = jax.typing.ArrayLike | None
FieldTransform = Callable[[Callable[[Any], tuple[Any, Any]], Any], tuple[Any, Any]]


class InitFn(Protocol):
    """Type of `GAN.init`."""

    def __call__(self, key: jax.Array, real: Any, condition: Condition = None) -> GANState:
        """See `GAN`."""
        ...


class UpdateFn(Protocol):
    """Type of `GAN.d_step` and `GAN.g_step`."""

    def __call__(
        self,
        state: GANState,
        real: jax.Array,
        key: jax.Array,
        condition: Condition = None,
        origin: GANState | None = None,
    ) -> tuple[GANState, dict[str, jax.Array]]:
        """See `GAN`."""
        ...


class VectorFieldFn(Protocol):
    """Type of `GAN.vector_field`."""

    def __call__(
        self, state: GANState, real: jax.Array, key: jax.Array, condition: Condition = None
    ) -> tuple[Any, Any]:
        """See `GAN`."""
        ...


class StepFn(Protocol):
    """Type of `GAN.step`."""

    def __call__(
        self,
        state: GANState,
        real: jax.Array,
        key: jax.Array,
        condition: Condition = None,
        simultaneous: bool = False,
        origin: GANState | None = None,
    ) -> tuple[GANState, dict[str, dict[str, jax.Array]]]:
        """See `GAN`."""
        ...


class SampleFn(Protocol):
    """Type of `GAN.sample`."""

    def __call__(
        self, state: GANState, key: jax.Array, num: int, condition: Condition = None
    ) -> jax.Array:
        """See `GAN`."""
        ...


class GenerateFn(Protocol):
    """Type of `GAN.generate`."""

    def __call__(self, variables: Any, z: jax.Array, condition: Condition = None) -> jax.Array:
        """See `GAN`."""
        ...


class GAN(NamedTuple):
    """Pure functions that initialize, train and sample a GAN.

    A GAN contains no state: the functions take a `GANState` and return a new one. They are
    jit-compiled, do not donate their arguments, and compose with `jit`, `vmap`, `scan` and `grad`.
    B is the batch size, D the discriminator and G the generator. Common arguments:

    *   `real`: `[B, …]`, floating point, real samples in the range of the generator's output.
    *   `condition`: None or `[B, …]`, such as class labels; passed to both networks.
    *   `key`: A typed PRNG key, which is consumed. `d_step` and `g_step` may share one key.
    *   `origin`: The state whose parameters and moving average are updated, by gradients, optimizer
        states and model states of `state`; None for `state` itself. Extragradient updates need it.

    All functions raise ShapeError or DtypeError at trace time if an argument has the wrong form, or
    if a condition is given to a network that takes none, or is missing. `sample` raises ConfigError
    if `num` is not an integer of at least 1.

    Attributes:
      init: `(key, real, condition=None) -> state`. Initializes both networks. Reads only the shapes
        of `real` and `condition`, and returns bitwise the same state for every B.
      d_step: `(state, real, key, condition=None, origin=None) -> (state, metrics)`. Updates only D.
      g_step: `(state, real, key, condition=None, origin=None) -> (state, metrics)`. Updates only G
        and its moving average. With the same key, `d_step` and `g_step` draw the same latent
        vectors z.
      step: `(state, real, key, condition=None, simultaneous=False, origin=None) -> (state,
        {"d": metrics, "g": metrics})`. Equal up to rounding to `d_step` followed by `g_step` with
        the same key, but runs G's forward pass only once. If `simultaneous`, which is static, G is
        updated against D as it was before D's update. An `origin` requires `simultaneous`.
      vector_field: `(state, real, key, condition=None) -> (d_grads, g_grads)`. The gradients that
        the optimizers receive in `step` with `simultaneous`: of D's loss and penalty with respect
        to D's parameters, and of G's loss with respect to G's parameters.
      prior: `(key, num) -> z [num, dim]`. Draws latent vectors.
      sample: `(state, key, num, condition=None) -> [num, …]`. Draws samples in evaluation mode,
        with the moving average of G if there is one. `num` is static.
      generate: `(variables, z, condition=None) -> [B, …]`. Applies G in evaluation mode with the
        given variables, such as `state.g.variables`.
      hyperparams: The hyperparameters in which the members of a population differ, `[N, …]` each,
        see `make_population`; None if members differ only in their seeds.

    The metrics of a step are scalars, evaluated at the parameters before the network's update:

    *   `loss`: The loss without the penalty.
    *   `penalty`: The penalty; only for D, and only if the GAN has one.
    *   `real_logits`, `fake_logits`: Mean logits; `real_logits` only for D.
    *   `real_probability`, `fake_probability`: Mean probability of being real, if the loss defines
        one; `real_probability` only for D.
    *   `grad_norm`: Euclidean norm of the gradient over all parameters, before the optimizer
        transforms it; for D, of the sum of loss and penalty.
    *   `finite`: Whether `loss` and `grad_norm` are finite.
    """

    init: InitFn
    d_step: UpdateFn
    g_step: UpdateFn
    step: StepFn
    vector_field: VectorFieldFn
    prior: Prior
    sample: SampleFn
    generate: GenerateFn
    hyperparams: Any = None


def jit_steps(d_step: Callable, g_step: Callable, step: Callable) -> dict[str, Callable]:
    """Returns the jit-compiled steps of a GAN, by their attribute names."""
    return {
        "d_step": jax.jit(d_step),
        "g_step": jax.jit(g_step),
        "step": jax.jit(step, static_argnames="simultaneous"),
    }
