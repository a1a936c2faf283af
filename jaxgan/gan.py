"""Builds the pure functions of a GAN from two networks, a loss and two optimizers."""

import math
import numbers
from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple, Protocol

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from jaxgan._checks import (
    check_augmented,
    check_callable,
    check_condition,
    check_generator_output,
    check_integers,
    check_key,
    check_network,
    check_optimizer,
    check_scalar,
    check_step_args,
    check_takes_condition,
)
from jaxgan.augment import Augment
from jaxgan.distributed.sharding import shard_batch
from jaxgan.errors import ConfigError
from jaxgan.losses import GANLoss
from jaxgan.penalties import Penalty
from jaxgan.priors import Prior
from jaxgan.states import GANState, NetworkState, at_least_float32, update_ema

# The half-life of the moving average is at most this fraction of the images that G was trained on.
EMA_RAMP_UP = 0.1

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


class GeneratorPass(NamedTuple):
    """Result of the generator's forward pass in train mode.

    Attributes:
      fake: `[B, …]`, the generated samples.
      vjp_fn: Maps `[B, …]`, the gradient with respect to `fake`, to a 1-tuple that contains the
        gradient with respect to G's parameters.
      model_state: G's `model_state` after the pass.
    """

    fake: jax.Array
    vjp_fn: Callable[[jax.Array], tuple[Any]]
    model_state: dict[str, Any]


def make_gan(
    generator: nn.Module,
    discriminator: nn.Module,
    loss: GANLoss,
    d_tx: optax.GradientTransformation,
    g_tx: optax.GradientTransformation,
    prior: Prior,
    *,
    penalty: Penalty | None = None,
    projection: Callable[[Any], Any] | None = None,
    augment: Augment | None = None,
    field_transform: FieldTransform | None = None,
    ema_half_life: float | None = None,
) -> GAN:
    """Builds a GAN from two networks, a loss and two optimizers.

    Both networks run in train mode in every update. An update of one network drops the changes to
    the other network's model state, such as BatchNorm statistics. D is applied to the real batch
    first, then to the fake batch, and updates its own statistics in that order.

    Example:
      gan = make_gan(generator, discriminator, losses.non_saturating, tx, tx, priors.normal(64))
      state = gan.init(jax.random.key(0), real)
      state, metrics = gan.step(state, real, jax.random.key(1))
      images = gan.sample(state, jax.random.key(2), 16)

    Args:
      generator: Linen module, called as `(z, *, train)`, or as `(z, condition, *, train)` if
        conditions are given. Returns samples `[B, …]` of the data's shape.
      discriminator: Linen module, called like the generator but with samples instead of z. Returns
        logits `[B]`, which are passed to the loss, cast to at least float32.
      loss: Losses of D and G.
      d_tx: Optimizer of D.
      g_tx: Optimizer of G.
      prior: Prior of the latent vector z.
      penalty: Added to D's loss: `(disc_fn, real, fake, key) -> scalar`. `disc_fn` maps
        `[B, …] -> [B]` row by row: it applies D in evaluation mode, with the parameters being
        differentiated, because batch statistics would couple the rows.
      projection: `params -> params`, applied to D's parameters after each of its updates, such as
        `optimizers.clip_weights(0.01)`.
      augment: `(images [B, …], key) -> images [B, …]`, applied to the real and to the fake batch
        before D sees them, in both updates, such as `augment.diff_augment(("color", "cutout"))`.
        The penalty is computed on the augmented batches.
      field_transform: Transforms the gradients of both networks before the optimizers receive them,
        such as `dynamics.consensus(0.1)`: `(field_fn, params) -> (grads, aux)`, where `field_fn`
        maps `(d_params, g_params)` to `((d_grads, g_grads), aux)`. Every update then computes the
        gradients of both networks.
      ema_half_life: Half-life, in images, of the exponential moving average of G's variables, above
        0. Early in training it is a tenth of the images that G was trained on, so that the average
        forgets the initial parameters. None keeps no average.

    Returns:
      A `GAN`.

    Raises:
      ConfigError: If `loss` is not a `GANLoss`, a network is not a Linen module or its `__call__`
        has no argument `train`, an optimizer or a function is of another kind or takes other
        arguments, or `ema_half_life` is not a finite number above 0.

    References:
      Goodfellow et al. 2014, algorithm 1; Zhao et al. 2020, section 3.2 (augmentation of both
      batches in both updates); Mescheder et al. 2017 (transformed gradients); Karras et al. 2018,
      appendix A (the moving average), and 2020, in their code (its half-life in images, and the
      shorter one early in training).
    """
    if not isinstance(loss, GANLoss):
        raise ConfigError(
            f"loss is a {type(loss).__name__}, expected a losses.GANLoss, such as "
            "losses.non_saturating or GANLoss(discriminator=…, generator=…, probability=None)"
        )
    check_network("generator", generator)
    check_network("discriminator", discriminator)
    check_optimizer("d_tx", d_tx)
    check_optimizer("g_tx", g_tx)
    check_callable("loss.discriminator", loss.discriminator, "real_logits", "fake_logits")
    check_callable("loss.generator", loss.generator, "real_logits", "fake_logits")
    check_callable("prior", prior, "key", "num")
    if penalty is not None:
        check_callable("penalty", penalty, "disc_fn", "real", "fake", "key")
    if projection is not None:
        check_callable("projection", projection, "params")
    if augment is not None:
        check_callable("augment", augment, "images", "key")
    if field_transform is not None:
        check_callable("field_transform", field_transform, "field_fn", "params")
    if isinstance(ema_half_life, numbers.Real) and not 0 < float(ema_half_life) < math.inf:
        raise ConfigError(
            f"ema_half_life is {ema_half_life}, expected a finite number of images above 0, "
            "or None for no average"
        )

    def init(key, real, condition=None):
        check_step_args(key, real, condition)
        real = jnp.zeros(real.shape, jnp.float32)  # only the shape matters, see `GAN.init`
        d_key, g_key, z_key = jax.random.split(key, 3)
        g, fake = init_network(generator, g_tx, g_key, prior(z_key, len(real)), condition)
        check_generator_output(fake, real)
        d, _ = init_network(discriminator, d_tx, d_key, real, condition)
        return GANState(d, g, None if ema_half_life is None else at_least_float32(g.variables))

    def apply_g(g, real, key, condition):
        z_key, apply_key = jax.random.split(key)
        z = shard_batch(prior(z_key, len(real)))

        def forward(params):
            return apply_train(generator, params, g.model_state, apply_key, z, condition)

        fake, vjp_fn, model_state = jax.vjp(forward, g.params, has_aux=True)
        check_generator_output(fake, real)
        return GeneratorPass(fake, vjp_fn, dict(model_state))

    def augment_batches(real, fake, key):
        if augment is None:
            return real, fake
        # The callers also split the key into two, which equal fold_in(key, 0) and fold_in(key, 1).
        key = jax.random.fold_in(jax.random.clone(key), 2)
        real_key, fake_key = jax.random.split(key)
        augmented = augment(real, real_key), augment(fake, fake_key)
        for batch, samples in zip(augmented, (real, fake), strict=True):
            check_augmented(batch, samples)
        return augmented

    def apply_d(params, model_state, real, fake, key, condition):
        real_key, fake_key = jax.random.split(key)
        real_logits, model_state = apply_train(
            discriminator, params, model_state, real_key, real, condition
        )
        fake_logits, model_state = apply_train(
            discriminator, params, model_state, fake_key, fake, condition
        )
        return real_logits, fake_logits, model_state

    def logit_metrics(name, logits):
        metrics = {f"{name}_logits": jax.tree.map(jnp.mean, logits)}
        if loss.probability is not None:
            metrics[f"{name}_probability"] = jnp.mean(loss.probability(logits))
        return metrics

    def compute_d_gradients(d, real, fake, key, condition):
        real, fake = augment_batches(real, fake, key)
        apply_key, penalty_key = jax.random.split(key)

        def loss_fn(params):
            real_logits, fake_logits, model_state = apply_d(
                params, d.model_state, real, fake, apply_key, condition
            )
            value = loss.discriminator(real_logits, fake_logits)
            check_scalar("the discriminator's loss", value)
            metrics = {"loss": value}
            metrics |= logit_metrics("real", real_logits) | logit_metrics("fake", fake_logits)
            if penalty is not None:
                variables = d.replace(params=params).variables

                def disc_fn(x):
                    # A penalty may use only the first samples of a batch, see penalties.subsample.
                    first = None if condition is None else condition[: len(x)]
                    x, first = jax.tree.map(shard_batch, (x, first))
                    return apply_eval(discriminator, variables, x, first)

                metrics["penalty"] = penalty(disc_fn, real, fake, penalty_key)
                check_scalar("the penalty", metrics["penalty"])
                value += metrics["penalty"]
            return value, (metrics, model_state)

        grads, (metrics, model_state) = jax.grad(loss_fn, has_aux=True)(d.params)
        return grads, (metrics, model_state)

    def compute_g_gradients(g_pass, d, real, key, condition):
        def loss_fn(fake):
            batches = augment_batches(real, fake, key)
            real_logits, fake_logits, _ = apply_d(d.params, d.model_state, *batches, key, condition)
            value = loss.generator(real_logits, fake_logits)
            check_scalar("the generator's loss", value)
            return value, fake_logits

        # The gradient is taken with respect to the samples, then propagated to G's parameters by
        # the VJP, so that `step` can use one forward pass of G for both updates.
        (value, fake_logits), fake_grads = jax.value_and_grad(loss_fn, has_aux=True)(g_pass.fake)
        (grads,) = g_pass.vjp_fn(fake_grads)
        return grads, ({"loss": value} | logit_metrics("fake", fake_logits), g_pass.model_state)

    def compute_field(state, real, key, condition):
        """Returns `((d_grads, g_grads), (d_aux, g_aux))`; each aux is `(metrics, model_state)`."""
        g_pass_key, d_key, g_key = split_step_key(key)

        def field_fn(params):
            d, g = (
                network.replace(params=own)
                for network, own in zip((state.d, state.g), params, strict=True)
            )
            g_pass = apply_g(g, real, g_pass_key, condition)
            d_grads, d_aux = compute_d_gradients(d, real, g_pass.fake, d_key, condition)
            g_grads, g_aux = compute_g_gradients(g_pass, d, real, g_key, condition)
            return (d_grads, g_grads), (d_aux, g_aux)

        transform = apply_function if field_transform is None else field_transform
        return transform(field_fn, (state.d.params, state.g.params))

    def update_d(d, origin, grads, aux):
        metrics, model_state = aux
        d = d.apply_gradients(d_tx, grads, model_state, None if origin is None else origin.d)
        if projection is not None:
            d = d.replace(params=projection(d.params))
        return d, metrics | gradient_metrics(metrics["loss"], grads)

    def update_g(state, origin, grads, aux, batch_size):
        metrics, model_state = aux
        g = state.g.apply_gradients(g_tx, grads, model_state, None if origin is None else origin.g)
        g_ema = (state if origin is None else origin).g_ema
        if ema_half_life is not None:
            half_life = jnp.minimum(ema_half_life, EMA_RAMP_UP * batch_size * g.step)
            g_ema = update_ema(g_ema, g.variables, 0.5 ** (batch_size / half_life))
        return g, g_ema, metrics | gradient_metrics(metrics["loss"], grads)

    def d_step(state, real, key, condition=None, origin=None):
        real, condition = validate_and_shard(key, real, condition)
        if field_transform is None:
            g_pass_key, d_key, _ = split_step_key(key)
            fake = apply_g(state.g, real, g_pass_key, condition).fake
            grads, aux = compute_d_gradients(state.d, real, fake, d_key, condition)
        else:
            (grads, _), (aux, _) = compute_field(state, real, key, condition)
        d, metrics = update_d(state.d, origin, grads, aux)
        return (state if origin is None else origin).replace(d=d), metrics

    def g_step(state, real, key, condition=None, origin=None):
        real, condition = validate_and_shard(key, real, condition)
        if field_transform is None:
            g_pass_key, _, g_key = split_step_key(key)
            g_pass = apply_g(state.g, real, g_pass_key, condition)
            grads, aux = compute_g_gradients(g_pass, state.d, real, g_key, condition)
        else:
            (_, grads), (_, aux) = compute_field(state, real, key, condition)
        g, g_ema, metrics = update_g(state, origin, grads, aux, len(real))
        return (state if origin is None else origin).replace(g=g, g_ema=g_ema), metrics

    def step(state, real, key, condition=None, simultaneous=False, origin=None):
        real, condition = validate_and_shard(key, real, condition)
        if origin is not None and not simultaneous:
            raise ConfigError("step is given an origin without simultaneous=True; set it")
        if simultaneous or field_transform is not None:
            grads, auxes = compute_field(state, real, key, condition)
            d, d_metrics = update_d(state.d, origin, grads[0], auxes[0])
            if not simultaneous:
                grads, auxes = compute_field(state.replace(d=d), real, key, condition)
            g_grads, g_aux = grads[1], auxes[1]
        else:
            g_pass_key, d_key, g_key = split_step_key(key)
            g_pass = apply_g(state.g, real, g_pass_key, condition)
            d, d_metrics = update_d(
                state.d,
                None,
                *compute_d_gradients(state.d, real, g_pass.fake, d_key, condition),
            )
            g_grads, g_aux = compute_g_gradients(g_pass, d, real, g_key, condition)
        g, g_ema, g_metrics = update_g(state, origin, g_grads, g_aux, len(real))
        return state.replace(d=d, g=g, g_ema=g_ema), {"d": d_metrics, "g": g_metrics}

    def vector_field(state, real, key, condition=None):
        real, condition = validate_and_shard(key, real, condition)
        return compute_field(state, real, key, condition)[0]

    def sample(state, key, num, condition=None):
        check_key(key)
        check_integers(num=num)
        if num < 1:
            raise ConfigError(f"num is {num}, expected at least 1 sample")
        check_condition(condition, num, "sample")
        variables = state.g.variables if state.g_ema is None else state.g_ema
        return generate(variables, prior(key, num), condition)

    def generate(variables, z, condition=None):
        check_condition(condition, z.shape[0], "latent vector")
        return apply_eval(generator, variables, z, condition)

    return GAN(
        init=jax.jit(init),
        **jit_steps(d_step, g_step, step),
        vector_field=jax.jit(vector_field),
        prior=prior,
        sample=jax.jit(sample, static_argnames="num"),
        generate=jax.jit(generate),
    )


def jit_steps(d_step: Callable, g_step: Callable, step: Callable) -> dict[str, Callable]:
    """Returns the jit-compiled steps of a GAN, by their attribute names."""
    return {
        "d_step": jax.jit(d_step),
        "g_step": jax.jit(g_step),
        "step": jax.jit(step, static_argnames="simultaneous"),
    }


def apply_function(function, argument):
    """Returns `function(argument)`: the field transform that changes nothing."""
    return function(argument)


def split_step_key(key):
    """Splits a step's key into keys for G's forward pass, D's update and G's update.

    The key is cloned first because `d_step` and `g_step` may be given the same key, which JAX's
    check for key reuse would report.
    """
    return jax.random.split(jax.random.clone(key), 3)


def init_network(module, tx, key, x, condition):
    """Returns the initial state of a network and its output for the batch `x`."""
    args = module_args(module, x, condition)
    output, variables = module.init_with_output(key, *args, train=True)
    model_state = {name: tree for name, tree in variables.items() if name != "params"}
    params = variables.get("params", {})
    if model_state:
        # Linen initializes statistics in float32, but a step returns them in the precision of the
        # computation. Casting them here keeps the dtypes of the state constant, as `scan` requires.
        apply_once = partial(apply_train, module, params, model_state, x=x, condition=condition)
        _, after = jax.eval_shape(apply_once, jax.random.clone(key))
        model_state = jax.tree.map(lambda old, new: old.astype(new.dtype), model_state, after)
    return NetworkState(jnp.int32(0), params, model_state, tx.init(params)), output


def apply_train(module, params, model_state, key, x, condition):
    """Applies a module in train mode; returns its output and the updated model state."""
    variables = {"params": params, **model_state}
    output, model_state = module.apply(
        variables,
        *module_args(module, x, condition),
        train=True,
        mutable=list(model_state),
        rngs=key,
    )
    return at_least_float32(output), model_state


def apply_eval(module, variables, x, condition):
    """Applies a module in evaluation mode, in which each output row depends on one input row."""
    args = module_args(module, x, condition)
    return at_least_float32(module.apply(variables, *args, train=False))


def module_args(module, x, condition):
    """Returns the positional arguments of a module; unconditional modules take no condition."""
    check_takes_condition(module, condition)
    return (x,) if condition is None else (x, condition)


def gradient_metrics(loss_value, grads):
    """Returns the Euclidean norm of `grads`, and whether it and the loss are finite."""
    # vdot instead of a sum of squares: XLA sums an array sequentially on CPUs, which takes a
    # quarter of the time of an MLP's step.
    norm = jnp.sqrt(sum(jnp.vdot(g, g, precision="highest") for g in jax.tree.leaves(grads)))
    return {"grad_norm": norm, "finite": jnp.isfinite(loss_value) & jnp.isfinite(norm)}


def validate_and_shard(key, real, condition):
    """Checks the arguments of a step and shards its batch over the devices of the mesh."""
    check_step_args(key, real, condition)
    return jax.tree.map(shard_batch, (real, condition))
