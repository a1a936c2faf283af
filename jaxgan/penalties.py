"""Gradient penalties, which are added to the discriminator's loss.

A penalty is `(disc_fn, real [B, …], fake [B, …], key) -> scalar`, the form that `make_gan` takes;
the key is consumed. `disc_fn` maps samples `[B, …]` to logits `[B]` row by row, so the gradient of
the sum of the logits contains the gradient of each sample. (Batch statistics would couple the
rows.) The functions in this module build penalties. Their numeric arguments may be traced arrays.

In the equations, D(x) is the logit that `disc_fn` returns for the sample x, |∇D(x)| is the
Euclidean norm of its gradient at x, over all axes of the sample, and "mean" is the mean over the
batch.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp

from jaxgan._checks import check_number
from jaxgan.errors import ConfigError, ShapeError

DiscFn = Callable[[jax.Array], jax.Array]
Penalty = Callable[[DiscFn, jax.Array, jax.Array, jax.Array], jax.Array]
Scalar = float | jax.Array


def gradient_penalty(
    weight: Scalar = 10.0, target: Scalar = 1.0, one_sided: bool = False
) -> Penalty:
    """WGAN-GP: weight · mean (|∇D(x̂)| - target)², at x̂ = x + ε (G(z) - x).

    ε ~ U(0, 1) is drawn once per sample.

    Args:
      weight: λ in the paper, at least 0.
      target: Target of the gradient norm, at least 0; 1 in the paper.
      one_sided: Penalize only norms above the target: max(0, |∇D(x̂)| - target)².

    Returns:
      A penalty. Its value is weight · target² for a constant critic, 0 if one-sided. It raises
      ShapeError if `real` and `fake` differ in shape.

    Raises:
      ConfigError: If a number is out of its range.

    References:
      Gulrajani et al. 2017, eq. 3; one-sided: section 4 there, and Petzka et al. 2018.
    """
    check_number("weight", weight, 0)
    check_number("target", target, 0)

    def penalty(disc_fn, real, fake, key):
        if real.shape != fake.shape:
            raise ShapeError(
                f"real has shape {list(real.shape)}, fake {list(fake.shape)}, expected equal "
                "shapes, because the penalty interpolates between them; pass equal batches, or use "
                "penalties.r1, r2 or dragan"
            )
        x_hat = real + interpolation_weights(key, real) * (fake - real)
        excess = gradient_norms(disc_fn, x_hat) - target
        return weight * jnp.mean((jnp.maximum(excess, 0) if one_sided else excess) ** 2)

    return penalty


def r1(gamma: Scalar) -> Penalty:
    """R1: gamma/2 · mean |∇D(x)|², at the real samples.

    Args:
      gamma: Weight, at least 0.

    Returns:
      A penalty. Its value is 0 for a constant discriminator.

    Raises:
      ConfigError: If `gamma` is below 0.

    References:
      Mescheder et al. 2018, eq. 9.
    """
    check_number("gamma", gamma, 0)
    return lambda disc_fn, real, fake, key: (
        gamma / 2 * jnp.mean(squared_gradient_norms(disc_fn, real))
    )


def r2(gamma: Scalar) -> Penalty:
    """R2: gamma/2 · mean |∇D(G(z))|², at the fake samples.

    Args:
      gamma: Weight, at least 0.

    Returns:
      A penalty. Its value is 0 for a constant discriminator.

    Raises:
      ConfigError: If `gamma` is below 0.

    References:
      Mescheder et al. 2018, eq. 10.
    """
    check_number("gamma", gamma, 0)
    return lambda disc_fn, real, fake, key: (
        gamma / 2 * jnp.mean(squared_gradient_norms(disc_fn, fake))
    )


def dragan(weight: Scalar = 10.0, scale: Scalar = 0.5, target: Scalar = 1.0) -> Penalty:
    """DRAGAN: weight · mean (|∇D(x̂)| - target)², at x̂ = x + ε · scale · std(x) · u.

    The samples x̂ are perturbed real samples. As in the authors' code, u ~ U(0, 1) is drawn for
    each entry of each sample, so perturbations are never negative; ε ~ U(0, 1) is drawn once per
    sample; and std(x) is one number, over all entries of the real batch. (The paper perturbs with
    Gaussian noise instead.)

    Args:
      weight: λ in the paper, at least 0.
      scale: Largest perturbation, in standard deviations of the data; at least 0.
      target: Target of the gradient norm, at least 0; k in the paper.

    Returns:
      A penalty, which does not use the fake samples. Its value is weight · target² for a constant
      discriminator.

    Raises:
      ConfigError: If a number is out of its range.

    References:
      Kodali et al. 2017.
    """
    check_number("weight", weight, 0)
    check_number("scale", scale, 0)
    check_number("target", target, 0)

    def penalty(disc_fn, real, fake, key):
        del fake
        weight_key, noise_key = jax.random.split(key)
        noise = scale * jnp.std(real) * jax.random.uniform(noise_key, real.shape, jnp.float32)
        x_hat = real + interpolation_weights(weight_key, real) * noise
        return weight * jnp.mean((gradient_norms(disc_fn, x_hat) - target) ** 2)

    return penalty


def sum_penalties(*penalties: Penalty) -> Penalty:
    """Returns the sum of penalties, each of which gets its own key.

    For example, `sum_penalties(r1(gamma), r2(gamma))` is the penalty of R3GAN.

    Raises:
      ConfigError: If no penalty is given.

    References:
      Huang et al. 2024 (R3GAN).
    """
    if not penalties:
        raise ConfigError("there are no penalties, expected at least 1; pass penalty=None instead")

    def penalty(disc_fn, real, fake, key):
        keys = jax.random.split(key, len(penalties))
        values = [
            summand(disc_fn, real, fake, summand_key)
            for summand, summand_key in zip(penalties, keys, strict=True)
        ]
        return jnp.sum(jnp.stack(values))

    return penalty


def subsample(penalty: Penalty, num: int) -> Penalty:
    """Returns a penalty that is computed from the first `num` samples of each batch only.

    Batches are in random order, so the expectation of a mean over samples is unchanged. The cost
    falls to `num / B`.

    Args:
      penalty: The penalty to compute.
      num: Number of samples, at least 1. Batches with fewer samples are used whole.

    Returns:
      A penalty.

    Raises:
      ConfigError: If `num` is below 1.
    """
    if num < 1:
        raise ConfigError(f"num is {num}, expected at least 1 sample to compute the penalty from")
    return lambda disc_fn, real, fake, key: penalty(disc_fn, real[:num], fake[:num], key)


def squared_gradient_norms(disc_fn: DiscFn, x: jax.Array) -> jax.Array:
    """Returns the squared gradient norm of each sample, over all its axes.

    Args:
      disc_fn: Maps samples `[B, …]` to logits `[B]`, row by row.
      x: `[B, …]`, the samples at which the gradient is taken.

    Returns:
      `[B]`, at least 0.

    Raises:
      ShapeError: If `disc_fn` does not return one logit per sample.
    """

    def sum_logits(x):
        logits = disc_fn(x)
        if logits.shape != x.shape[:1]:
            raise ShapeError(
                f"disc_fn gives {list(logits.shape)}, expected [{len(x)}], one logit per sample; "
                "end the discriminator with `.squeeze(-1)` if it returns [B, 1]"
            )
        return jnp.sum(logits)

    return jnp.sum(jax.grad(sum_logits)(x) ** 2, axis=tuple(range(1, x.ndim)))


def gradient_norms(disc_fn: DiscFn, x: jax.Array) -> jax.Array:
    """Returns the gradient norm of each sample; see `squared_gradient_norms`.

    The derivative of a norm that is 0 is defined as 0, instead of NaN.

    Returns:
      `[B]`, at least 0.
    """
    squares = squared_gradient_norms(disc_fn, x)
    positive = squares > 0
    # The inner `where` keeps zeros out of sqrt. The outer one alone is not enough: it multiplies
    # the derivative of the branch it discards, inf at 0, by 0, which is NaN.
    return jnp.where(positive, jnp.sqrt(jnp.where(positive, squares, 1)), 0)


def interpolation_weights(key: jax.Array, x: jax.Array) -> jax.Array:
    """Draws U(0, 1) once per sample of `x`, `[B, …]`; returns float32 `[B, 1, …]`."""
    return jax.random.uniform(key, (len(x), *[1] * (x.ndim - 1)), jnp.float32)
