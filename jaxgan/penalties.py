"""Penalties on the slopes of the discriminator, to be added to its loss.

A penalty is `(disc_fn, real [B, …], fake [B, …], key) -> scalar`; it is what `make_gan` takes. `disc_fn` maps
`[B, …] -> [B]` row by row, so that the gradient of its summed logits holds each sample's own gradient; batch statistics
would couple the rows. The functions here build penalties. Their numbers may be traced arrays. Means are over samples,
and the key is consumed.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxgan.errors import ConfigError, ShapeError

DiscFn = Callable[[jax.Array], jax.Array]
Penalty = Callable[[DiscFn, jax.Array, jax.Array, jax.Array], jax.Array]
Number = float | jax.Array


def gradient_penalty(
    weight: Number = 10.0, target: Number = 1.0, one_sided: bool = False
) -> Penalty:
    """WGAN-GP: weight · mean (|∇D(x̂)| - target)², at x̂ = x + ε (G(z) - x), with one ε ~ U(0, 1) for each sample.

    Args:
      weight: λ in the paper, at least 0.
      target: the slope asked for, at least 0.
      one_sided: let slopes below the target go unpunished: max(0, |∇D| - target)².

    Returns:
      A penalty; weight · target² (one-sided: 0) for a constant critic. It raises ShapeError where real and fake differ
      in shape.

    References:
      Gulrajani et al. 2017, eq. 3; one-sided: their section 4, and Petzka et al. 2018.
    """

    def penalty(disc_fn, real, fake, key):
        if real.shape != fake.shape:
            raise ShapeError(
                f"real has shape {list(real.shape)}, fake {list(fake.shape)}, expected one shape, to go from sample to "
                "sample; penalties.r1, r2 and dragan do without"
            )
        excess = (
            gradient_norms(disc_fn, real + interpolation_weights(key, real) * (fake - real))
            - target
        )
        return weight * jnp.mean((jnp.maximum(excess, 0) if one_sided else excess) ** 2)

    return penalty


def r1(gamma: Number) -> Penalty:
    """R1: gamma/2 · mean |∇D(x)|², at the real samples; 0 for a constant discriminator.

    References:
      Mescheder et al. 2018, eq. 9.
    """
    return lambda disc_fn, real, fake, key: (
        gamma / 2 * jnp.mean(squared_gradient_norms(disc_fn, real))
    )


def r2(gamma: Number) -> Penalty:
    """R2: gamma/2 · mean |∇D(G(z))|², at the fakes; 0 for a constant discriminator.

    References:
      Mescheder et al. 2018, eq. 10.
    """
    return lambda disc_fn, real, fake, key: (
        gamma / 2 * jnp.mean(squared_gradient_norms(disc_fn, fake))
    )


def dragan(weight: Number = 10.0, scale: Number = 0.5, target: Number = 1.0) -> Penalty:
    """DRAGAN: weight · mean (|∇D(x̂)| - target)², around the real samples: x̂ = x + ε · scale · std(x) · u.

    As in the authors' code: u ~ U(0, 1), one for each entry of each sample, never below 0; ε ~ U(0, 1), one for each
    sample; std(x) is one number, over all entries of the real batch. (The paper perturbs by Gaussian noise.)

    Args:
      weight: λ in the paper, at least 0.
      scale: how far the perturbations reach, in standard deviations of the data.
      target: the slope asked for, k in the paper.

    Returns:
      A penalty, which does not use the fakes; weight · target² for a constant discriminator.

    References:
      Kodali et al. 2017.
    """

    def penalty(disc_fn, real, fake, key):
        share_key, noise_key = jax.random.split(key)
        noise = scale * jnp.std(real) * jax.random.uniform(noise_key, real.shape, jnp.float32)
        norms = gradient_norms(disc_fn, real + interpolation_weights(share_key, real) * noise)
        return weight * jnp.mean((norms - target) ** 2)

    return penalty


def sum_penalties(*penalties: Penalty) -> Penalty:
    """The sum of penalties, each with a key of its own: `add(r1(gamma), r2(gamma))` is R3GAN's (Huang et al. 2024)."""

    def penalty(disc_fn, real, fake, key):
        keys = jax.random.split(key, len(penalties))
        return jnp.sum(
            jnp.stack(
                [each(disc_fn, real, fake, k) for each, k in zip(penalties, keys, strict=True)]
            )
        )

    return penalty


def subsample(penalty: Penalty, num: int) -> Penalty:
    """A penalty on the first `num` samples of each batch, or on all of a smaller one.

    Batches are in random order, so a mean over samples keeps its expectation; it costs `num / B` as much.

    Raises:
      ConfigError: where num is below 1.
    """
    if num < 1:
        raise ConfigError(f"num is {num}, expected at least 1")
    return lambda disc_fn, real, fake, key: penalty(disc_fn, real[:num], fake[:num], key)


def squared_gradient_norms(disc_fn: DiscFn, x: jax.Array) -> jax.Array:
    """The squared length of each sample's gradient, over all its axes: `[B, …] -> [B]`.

    Raises:
      ShapeError: where `disc_fn` does not give one logit a sample.
    """

    def total(x):
        logits = disc_fn(x)
        if logits.shape != x.shape[:1]:
            raise ShapeError(
                f"disc_fn gives {list(logits.shape)}, expected [{len(x)}], one logit a sample"
            )
        return jnp.sum(logits)

    return jnp.sum(jax.grad(total)(x) ** 2, axis=tuple(range(1, x.ndim)))


def gradient_norms(disc_fn: DiscFn, x: jax.Array) -> jax.Array:
    """The length of each sample's gradient: `[B, …] -> [B]`. Where it is 0, its own derivative is 0 instead of NaN."""
    squares = squared_gradient_norms(disc_fn, x)
    positive = squares > 0
    # The root must not see the zeros: the derivative of what `where` discards is multiplied by 0, and inf · 0 is NaN.
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, squares, 1)), 0)


def interpolation_weights(key: jax.Array, x: jax.Array) -> jax.Array:
    """U(0, 1) for each sample, shaped to scale `x`: `[B, 1, …]`, in float32, like all noise."""
    return jax.random.uniform(key, (len(x), *[1] * (x.ndim - 1)), jnp.float32)
