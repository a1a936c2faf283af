"""The gradients of both networks: each of its own loss, with respect to its own parameters."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxgan._checks import check_augmented, check_generator_output, check_scalar
from jaxgan.augment import Augment
from jaxgan.distributed.sharding import shard_batch
from jaxgan.gan.interface import FieldTransform
from jaxgan.gan.networks import apply_eval, apply_train
from jaxgan.losses import GANLoss
from jaxgan.penalties import Penalty
from jaxgan.priors import Prior


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


class GradientFns(NamedTuple):
    """Functions that compute the gradients of a GAN, as `make_gradient_fns` returns them.

    Every gradient comes with its `aux`: `(metrics, model_state)` of the updated network.

    Attributes:
      apply_g: `(g, real, key, condition) -> GeneratorPass`. Runs G on as many latent vectors as
        there are real samples.
      compute_d_gradients: `(d, real, fake, key, condition) -> (d_grads, d_aux)`.
      compute_g_gradients: `(g_pass, d, real, key, condition) -> (g_grads, g_aux)`.
      compute_field: `(state, real, key, condition) -> ((d_grads, g_grads), (d_aux, g_aux))`, after
        the field transform.
    """

    apply_g: Callable
    compute_d_gradients: Callable
    compute_g_gradients: Callable
    compute_field: Callable


def make_gradient_fns(
    generator: nn.Module,
    discriminator: nn.Module,
    loss: GANLoss,
    prior: Prior,
    *,
    penalty: Penalty | None,
    augment: Augment | None,
    field_transform: FieldTransform | None,
) -> GradientFns:
    """Returns the functions that compute the gradients; the arguments are those of `make_gan`."""

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

    return GradientFns(apply_g, compute_d_gradients, compute_g_gradients, compute_field)


def apply_function(function, argument):
    """Returns `function(argument)`: the field transform that changes nothing."""
    return function(argument)


def split_step_key(key):
    """Splits a step's key into keys for G's forward pass, D's update and G's update.

    The key is cloned first because `d_step` and `g_step` may be given the same key, which JAX's
    check for key reuse would report.
    """
    return jax.random.split(jax.random.clone(key), 3)
