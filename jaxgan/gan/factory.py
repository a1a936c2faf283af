"""Builds the pure functions of a GAN from two networks, a loss and two optimizers."""

import math
import numbers
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import optax
from flax import linen as nn

from jaxgan._checks import (
    check_callable,
    check_condition,
    check_generator_output,
    check_integers,
    check_key,
    check_network,
    check_optimizer,
    check_step_args,
)
from jaxgan.augment import Augment
from jaxgan.distributed.sharding import shard_batch
from jaxgan.errors import ConfigError
from jaxgan.gan.gradients import make_gradient_fns, split_step_key
from jaxgan.gan.interface import GAN, FieldTransform, jit_steps
from jaxgan.gan.networks import apply_eval, init_network
from jaxgan.losses import GANLoss
from jaxgan.penalties import Penalty
from jaxgan.priors import Prior
from jaxgan.states import GANState, at_least_float32, update_ema

# The half-life of the moving average is at most this fraction of the images that G was trained on.
EMA_RAMP_UP = 0.1


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

    apply_g, compute_d_gradients, compute_g_gradients, compute_field = make_gradient_fns(
        generator,
        discriminator,
        loss,
        prior,
        penalty=penalty,
        augment=augment,
        field_transform=field_transform,
    )

    def init(key, real, condition=None):
        check_step_args(key, real, condition)
        real = jnp.zeros(real.shape, jnp.float32)  # only the shape matters, see `GAN.init`
        d_key, g_key, z_key = jax.random.split(key, 3)
        g, fake = init_network(generator, g_tx, g_key, prior(z_key, len(real)), condition)
        check_generator_output(fake, real)
        d, _ = init_network(discriminator, d_tx, d_key, real, condition)
        return GANState(d, g, None if ema_half_life is None else at_least_float32(g.variables))

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
