"""Two networks, a loss and two optimisers become a tuple of pure functions."""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from jaxgan._checks import check_generator_output, check_step_args
from jaxgan.distributed.sharding import shard_batch
from jaxgan.errors import ConfigError
from jaxgan.losses import GANLoss
from jaxgan.penalties import Penalty
from jaxgan.priors import Prior
from jaxgan.states import GANState, NetworkState, at_least_float32, update_ema


class GAN(NamedTuple):
    """Pure functions, jit-compiled; none donates its arguments.

    `real` is `[B, …]`, floating, in the range of G's output; `condition` is None or `[B, …]`, such as labels, handed to
    both networks. Keys are typed and consumed. All raise ShapeError or DtypeError when they are traced with arguments
    of another form.

    Attributes:
      init: `(key, real, condition=None) -> GANState`; reads only the shapes, and gives the same bits for any B.
      d_step: `(state, real, key, condition=None) -> (state, metrics)`; moves D only.
      g_step: `(state, real, key, condition=None) -> (state, metrics)`; moves G only, and its average. With the key that
        `d_step` had, it plays the same noise.
      step: `(state, real, key, condition=None, simultaneous=False) -> (state, {"d": metrics, "g": metrics})`; d_step,
        then g_step with the same key, at the cost of one forward pass of G less, and equal to them up to rounding. With
        `simultaneous`, which is static, G plays against D as it was.
      prior: `(key, num) -> z`.
      sample: `(state, key, num, condition=None) -> [num, …]`, from the averaged generator where there is one; `num` is
        static.
      generate: `(variables, z, condition=None) -> [B, …]`, with the generator's `variables` given, in evaluation mode.
      numbers: what the members of a population differ in, see `vary`; None where they differ in their seeds only.

    The metrics of a step are scalars over its batch: `loss` (without the penalty), `penalty` (D's, where there is one),
    `real_logits` (D's), `fake_logits`, `real_probability` (D's) and `fake_probability` (means; probabilities where the
    loss has them), `grad_norm` (Euclidean, over all parameters, before optax transforms it), `finite` (whether loss and
    gradient are).
    """

    init: Callable[..., GANState]
    d_step: Callable[..., tuple[GANState, dict[str, Any]]]
    g_step: Callable[..., tuple[GANState, dict[str, Any]]]
    step: Callable[..., tuple[GANState, dict[str, Any]]]
    prior: Prior
    sample: Callable[..., jax.Array]
    generate: Callable[..., jax.Array]
    hyperparams: Any = None


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
    ema_half_life: float | None = None,
) -> GAN:
    """Builds the functions of a GAN.

    Both networks run in train mode during either player's update; what the update of one player does to the statistics
    of the other is dropped. D sees the real batch first, then the fakes, its own statistics threaded in that order.

    Args:
      generator: called as `(z, *, train)`, or `(z, condition, *, train)` if conditions are given; makes arrays of the
        data's shape.
      discriminator: called likewise with the data; gives logits `[B]`. Its output goes to the loss as it is.
      loss: the pair of objectives.
      d_tx: moves D's parameters.
      g_tx: moves G's parameters.
      prior: draws the noise.
      penalty: added to D's loss: `(disc_fn, real, fake, key) -> scalar`, where `disc_fn` maps `[B, …] -> [B]` row by
        row: D with the parameters being differentiated, in evaluation mode, because batch statistics would couple the
        rows.
      projection: `(params) -> params`, applied to D's parameters after every update, such as
        `optimizers.clip_weights(0.01)`.
      ema_half_life: keep a moving average of G's variables, in which an update counts half after this many images
        (decay 0.5**(B / ema_half_life) an update; Karras et al. 2018, appendix A, with the half-life as Huang et al.
        2024 count it). None keeps none.

    Raises:
      ConfigError: where ema_half_life is a number not above 0.
    """
    if isinstance(ema_half_life, int | float) and not ema_half_life > 0:
        raise ConfigError(
            f"ema_half_life is {ema_half_life}, expected a number above 0, or None for no average"
        )

    def init(key, real, condition=None):
        check_step_args(key, real, condition)
        real = jnp.zeros(
            real.shape, jnp.float32
        )  # as priors and sources are, whatever the example was made of
        d_key, g_key, z_key = jax.random.split(key, 3)
        g, fake = init_network(generator, g_tx, g_key, prior(z_key, len(real)), condition)
        check_generator_output(fake, real)
        d, _ = init_network(discriminator, d_tx, d_key, real, condition)
        return GANState(d, g, None if ema_half_life is None else at_least_float32(g.variables))

    def g_forward(g, real, key, condition):
        z_key, apply_key = jax.random.split(key)
        z = shard_batch(prior(z_key, len(real)))

        def forward(params):
            return apply_train(generator, params, g.model_state, apply_key, z, condition)

        fake, pull, model_state = jax.vjp(forward, g.params, has_aux=True)
        check_generator_output(fake, real)
        return fake, pull, model_state

    def d_forward(params, model_state, real, fake, key, condition):
        real_key, fake_key = jax.random.split(key)
        real_logits, model_state = apply_train(
            discriminator, params, model_state, real_key, real, condition
        )
        fake_logits, model_state = apply_train(
            discriminator, params, model_state, fake_key, fake, condition
        )
        return real_logits, fake_logits, model_state

    def update_d(d, real, fake, key, condition):
        forward_key, penalty_key = jax.random.split(key)

        def objective(params):
            real_logits, fake_logits, model_state = d_forward(
                params, d.model_state, real, fake, forward_key, condition
            )
            value = loss.discriminator(real_logits, fake_logits)
            metrics = (
                {"loss": value}
                | logit_metrics("real", real_logits)
                | logit_metrics("fake", fake_logits)
            )
            if penalty is not None:
                variables = d.replace(params=params).variables

                def disc_fn(x):  # a penalty may take the first samples of a batch only
                    first = None if condition is None else condition[: len(x)]
                    return apply_eval(
                        discriminator, variables, *jax.tree.map(shard_batch, (x, first))
                    )

                metrics["penalty"] = penalty(disc_fn, real, fake, penalty_key)
                value += metrics["penalty"]
            return value, (metrics, model_state)

        grads, (metrics, model_state) = jax.grad(objective, has_aux=True)(d.params)
        d = d.apply_gradients(d_tx, grads, model_state)
        if projection is not None:
            d = d.replace(params=projection(d.params))
        return d, metrics | gradient_metrics(metrics["loss"], grads)

    def update_g(state, forward, d, real, key, condition):
        fake, pull, model_state = forward

        def objective(fake):
            real_logits, fake_logits, _ = d_forward(
                d.params, d.model_state, real, fake, key, condition
            )
            return loss.generator(real_logits, fake_logits), fake_logits

        (value, fake_logits), fake_grads = jax.value_and_grad(objective, has_aux=True)(fake)
        (grads,) = pull(fake_grads)
        g, average = state.g.apply_gradients(g_tx, grads, model_state), state.g_ema
        if ema_half_life is not None:
            average = update_ema(average, g.variables, 0.5 ** (len(real) / ema_half_life))
        metrics = (
            {"loss": value} | logit_metrics("fake", fake_logits) | gradient_metrics(value, grads)
        )
        return state.replace(g=g, g_ema=average), metrics

    def logit_metrics(name, logits):
        metrics = {f"{name}_logits": jax.tree.map(jnp.mean, logits)}
        if loss.probability is not None:
            metrics[f"{name}_probability"] = jnp.mean(loss.probability(logits))
        return metrics

    def d_step(state, real, key, condition=None):
        real, condition = validate_and_shard(key, real, condition)
        forward_key, d_key, _ = split_step_key(key)
        fake, _, _ = g_forward(state.g, real, forward_key, condition)
        d, metrics = update_d(state.d, real, fake, d_key, condition)
        return state.replace(d=d), metrics

    def g_step(state, real, key, condition=None):
        real, condition = validate_and_shard(key, real, condition)
        forward_key, _, g_key = split_step_key(key)
        return update_g(
            state, g_forward(state.g, real, forward_key, condition), state.d, real, g_key, condition
        )

    def step(state, real, key, condition=None, simultaneous=False):
        real, condition = validate_and_shard(key, real, condition)
        forward_key, d_key, g_key = split_step_key(key)
        forward = g_forward(state.g, real, forward_key, condition)
        d, d_metrics = update_d(state.d, real, forward[0], d_key, condition)
        state, g_metrics = update_g(
            state, forward, state.d if simultaneous else d, real, g_key, condition
        )
        return state.replace(d=d), {"d": d_metrics, "g": g_metrics}

    def sample(state, key, num, condition=None):
        return generate(
            state.g.variables if state.g_ema is None else state.g_ema, prior(key, num), condition
        )

    def generate(variables, z, condition=None):
        return apply_eval(generator, variables, z, condition)

    return GAN(
        init=jax.jit(init),
        **jit_steps(d_step, g_step, step),
        prior=prior,
        sample=jax.jit(sample, static_argnames="num"),
        generate=jax.jit(generate),
    )


def jit_steps(d_step: Callable, g_step: Callable, step: Callable) -> dict[str, Callable]:
    """The steps of a GAN, jit-compiled, by their names in it."""
    return {
        "d_step": jax.jit(d_step),
        "g_step": jax.jit(g_step),
        "step": jax.jit(step, static_argnames="simultaneous"),
    }


def split_step_key(key):
    """For G's forward pass, D's update and G's update. Of a clone, since both players may be handed one key."""
    return jax.random.split(jax.random.clone(key), 3)


def init_network(module, tx, key, x, condition):
    """A player's first state, and its output."""
    output, variables = module.init_with_output(key, *module_args(x, condition), train=True)
    model_state = {name: tree for name, tree in variables.items() if name != "params"}
    params = variables.get("params", {})
    if model_state:  # Linen starts statistics in float32, but a step leaves them in the precision of the computation.
        step = partial(apply_train, module, params, model_state, x=x, condition=condition)
        _, after = jax.eval_shape(step, jax.random.clone(key))
        model_state = jax.tree.map(lambda start, end: start.astype(end.dtype), model_state, after)
    return NetworkState(jnp.int32(0), params, model_state, tx.init(params)), output


def apply_train(module, params, model_state, key, x, condition):
    """The module's output on a batch, and its other collections as the batch leaves them."""
    variables = {"params": params, **model_state}
    output, model_state = module.apply(
        variables, *module_args(x, condition), train=True, mutable=list(model_state), rngs=key
    )
    return at_least_float32(output), model_state


def apply_eval(module, variables, x, condition):
    """The module's output, row by row."""
    return at_least_float32(module.apply(variables, *module_args(x, condition), train=False))


def module_args(x, condition):
    """A model without classes has no argument for a condition."""
    return (x,) if condition is None else (x, condition)


def gradient_metrics(value, grads):
    """The gradient's length, and whether it and the loss are finite."""
    # By products, because XLA sums all of an array one number after another on CPUs: a quarter of a perceptron's step.
    norm = jnp.sqrt(sum(jnp.vdot(g, g, precision="highest") for g in jax.tree.leaves(grads)))
    return {"grad_norm": norm, "finite": jnp.isfinite(value) & jnp.isfinite(norm)}


def validate_and_shard(key, real, condition):
    """A step's batch as the devices share it. Raises what `check_arguments` does."""
    check_step_args(key, real, condition)
    return jax.tree.map(shard_batch, (real, condition))
