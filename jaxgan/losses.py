"""GAN losses, as pure functions of logits.

Every loss is `(real_logits [B], fake_logits [B]) -> scalar`, for the discriminator and for the
generator alike; both networks minimize theirs. A logit is the unbounded output of the
discriminator; higher means more real. Losses take logits instead of probabilities, so that values
and gradients are finite for all finite logits. In the equations, D(x) is a real logit, D(G(z)) a
fake logit, and "mean" is the mean over the batch. Means over the real and over the fake batch are
summed, not averaged.

All losses raise ShapeError if an argument is not of rank 1 or is empty, and DtypeError if it is not
floating point. The real and the fake batch may differ in size, except in `relativistic`, which
pairs their samples.

Logistic losses are in nats, and `sigmoid(logit)` is the probability of being real. Relativistic
losses are in nats too, but only differences of logits have a meaning. Hinge and Wasserstein losses
have the unit of the logits, least-squares losses its square.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.nn import relu, softplus

from jaxgan._checks import check_array, check_floating
from jaxgan.errors import ShapeError

LossFn = Callable[[jax.Array, jax.Array], jax.Array]


class GANLoss(NamedTuple):
    """A pair of losses, one for each network.

    Attributes:
      discriminator: The discriminator's loss, `(real_logits [B], fake_logits [B]) -> scalar`.
      generator: The generator's loss, with the same arguments.
      probability: Maps logits to the probability of being real, elementwise; None if the logits
        have no such interpretation.
    """

    discriminator: LossFn
    generator: LossFn
    probability: Callable[[jax.Array], jax.Array] | None


def logistic_discriminator(real_logits: jax.Array, fake_logits: jax.Array) -> jax.Array:
    """Discriminator loss: mean softplus(-D(x)) + mean softplus(D(G(z))).

    This is the binary cross-entropy with label 1 for real and 0 for fake samples.

    Args:
      real_logits: `[B]`, unbounded; higher means more real.
      fake_logits: `[B]`, on the same scale.

    Returns:
      Scalar in nats, at least 0; 2 log 2 ≈ 1.386 if every logit is 0.

    References:
      Goodfellow et al. 2014, eq. 1.
    """
    check_logits(real_logits, fake_logits)
    return jnp.mean(softplus(-real_logits)) + jnp.mean(softplus(fake_logits))


def minimax_generator(real_logits: jax.Array, fake_logits: jax.Array) -> jax.Array:
    """Saturating generator loss: mean log(1 - sigmoid(D(G(z)))) = -mean softplus(D(G(z))).

    Its gradient vanishes if the discriminator classifies the fakes with confidence.

    Args:
      real_logits: `[B]`, unused.
      fake_logits: `[B]`, unbounded; higher means more real.

    Returns:
      Scalar in nats, at most 0; -log 2 ≈ -0.693 if every logit is 0.

    References:
      Goodfellow et al. 2014, eq. 1.
    """
    check_logits(real_logits, fake_logits)
    return -jnp.mean(softplus(fake_logits))


def non_saturating_generator(real_logits: jax.Array, fake_logits: jax.Array) -> jax.Array:
    """Non-saturating generator loss: -mean log sigmoid(D(G(z))) = mean softplus(-D(G(z))).

    This is the binary cross-entropy of the fakes with the label of real samples, 1.

    Args:
      real_logits: `[B]`, unused.
      fake_logits: `[B]`, unbounded; higher means more real.

    Returns:
      Scalar in nats, at least 0; log 2 ≈ 0.693 if every logit is 0.

    References:
      Goodfellow et al. 2014, section 3.
    """
    check_logits(real_logits, fake_logits)
    return jnp.mean(softplus(-fake_logits))


def least_squares_discriminator(real_logits: jax.Array, fake_logits: jax.Array) -> jax.Array:
    """Least-squares discriminator loss: mean (D(x) - 1)²/2 + mean D(G(z))²/2.

    The target is 1 for real samples and 0 for fakes.

    Args:
      real_logits: `[B]`, unbounded; higher means more real.
      fake_logits: `[B]`, on the same scale.

    Returns:
      Scalar, at least 0; 1/2 if every logit is 0.

    References:
      Mao et al. 2017, eq. 9.
    """
    check_logits(real_logits, fake_logits)
    return (jnp.mean((real_logits - 1) ** 2) + jnp.mean(fake_logits**2)) / 2


def least_squares_generator(real_logits: jax.Array, fake_logits: jax.Array) -> jax.Array:
    """Least-squares generator loss: mean (D(G(z)) - 1)²/2.

    Args:
      real_logits: `[B]`, unused.
      fake_logits: `[B]`, unbounded; higher means more real.

    Returns:
      Scalar, at least 0; 1/2 if every logit is 0.

    References:
      Mao et al. 2017, eq. 9.
    """
    check_logits(real_logits, fake_logits)
    return jnp.mean((fake_logits - 1) ** 2) / 2


def hinge_discriminator(real_logits: jax.Array, fake_logits: jax.Array) -> jax.Array:
    """Hinge discriminator loss: mean max(0, 1 - D(x)) + mean max(0, 1 + D(G(z))).

    Real logits above 1 and fake logits below -1 contribute neither loss nor gradient.

    Args:
      real_logits: `[B]`, unbounded; higher means more real.
      fake_logits: `[B]`, on the same scale.

    Returns:
      Scalar, at least 0; 2 if every logit is 0.

    References:
      Lim and Ye 2017; Miyato et al. 2018, eq. 16.
    """
    check_logits(real_logits, fake_logits)
    return jnp.mean(relu(1 - real_logits)) + jnp.mean(relu(1 + fake_logits))


def wasserstein_discriminator(real_logits: jax.Array, fake_logits: jax.Array) -> jax.Array:
    """Critic loss: mean D(G(z)) - mean D(x).

    If the critic is 1-Lipschitz, the negated loss is a lower bound of the 1-Wasserstein distance
    between the real and the generated distribution, and equal to it for an optimal critic.

    Args:
      real_logits: `[B]`, unbounded; higher means more real.
      fake_logits: `[B]`, on the same scale.

    Returns:
      Scalar, unbounded; 0 if every logit is 0.

    References:
      Arjovsky et al. 2017, eq. 2.
    """
    check_logits(real_logits, fake_logits)
    return jnp.mean(fake_logits) - jnp.mean(real_logits)


def wasserstein_generator(real_logits: jax.Array, fake_logits: jax.Array) -> jax.Array:
    """Generator loss against Wasserstein and hinge critics: -mean D(G(z)).

    Args:
      real_logits: `[B]`, unused.
      fake_logits: `[B]`, unbounded; higher means more real.

    Returns:
      Scalar, unbounded; 0 if every logit is 0.

    References:
      Arjovsky et al. 2017, algorithm 1; Miyato et al. 2018, eq. 17.
    """
    check_logits(real_logits, fake_logits)
    return -jnp.mean(fake_logits)


def relativistic_discriminator(real_logits: jax.Array, fake_logits: jax.Array) -> jax.Array:
    """Relativistic pairing discriminator loss: mean softplus(D(G(z)) - D(x)).

    The i-th real and the i-th fake sample form a pair. The loss is the binary cross-entropy of
    classifying which sample of a pair is real.

    Args:
      real_logits: `[B]`; only differences to `fake_logits` matter.
      fake_logits: `[B]`, with the same B.

    Returns:
      Scalar in nats, at least 0; log 2 ≈ 0.693 if every logit is 0.

    Raises:
      ShapeError: If the batches differ in size.

    References:
      Jolicoeur-Martineau 2019 (RSGAN); Huang et al. 2024 (RpGAN).
    """
    check_pairs(real_logits, fake_logits)
    return jnp.mean(softplus(fake_logits - real_logits))


def relativistic_generator(real_logits: jax.Array, fake_logits: jax.Array) -> jax.Array:
    """Relativistic pairing generator loss: mean softplus(D(x) - D(G(z))).

    This is `relativistic_discriminator` with real and fake exchanged.

    Args:
      real_logits: `[B]`; only differences to `fake_logits` matter.
      fake_logits: `[B]`, with the same B.

    Returns:
      Scalar in nats, at least 0; log 2 ≈ 0.693 if every logit is 0.

    Raises:
      ShapeError: If the batches differ in size.

    References:
      Jolicoeur-Martineau 2019 (RSGAN); Huang et al. 2024 (RpGAN).
    """
    check_pairs(real_logits, fake_logits)
    return jnp.mean(softplus(real_logits - fake_logits))


def relativistic_average_discriminator(real_logits: jax.Array, fake_logits: jax.Array) -> jax.Array:
    """Relativistic average loss of D: mean softplus(f̄ - D(x)) + mean softplus(D(G(z)) - r̄).

    r̄ is the mean of D(x) and f̄ the mean of D(G(z)) over the batch. Gradients flow through both
    means.

    Args:
      real_logits: `[B]`; only differences to `fake_logits` matter.
      fake_logits: `[B]`; the batches may differ in size.

    Returns:
      Scalar in nats, at least 0; 2 log 2 ≈ 1.386 if every logit is 0.

    References:
      Jolicoeur-Martineau 2019 (RaSGAN).
    """
    check_logits(real_logits, fake_logits)
    return logistic_discriminator(
        real_logits - jnp.mean(fake_logits), fake_logits - jnp.mean(real_logits)
    )


def relativistic_average_generator(real_logits: jax.Array, fake_logits: jax.Array) -> jax.Array:
    """Relativistic average loss of G: mean softplus(D(x) - f̄) + mean softplus(r̄ - D(G(z))).

    This is `relativistic_average_discriminator` with real and fake exchanged.

    Args:
      real_logits: `[B]`; only differences to `fake_logits` matter.
      fake_logits: `[B]`; the batches may differ in size.

    Returns:
      Scalar in nats, at least 0; 2 log 2 ≈ 1.386 if every logit is 0.

    References:
      Jolicoeur-Martineau 2019 (RaSGAN).
    """
    check_logits(real_logits, fake_logits)
    return relativistic_average_discriminator(fake_logits, real_logits)


def check_logits(real_logits: jax.Array, fake_logits: jax.Array) -> None:
    """Checks that both arguments are floating point of shape `[B]`, B at least 1.

    Logits `[B, 1]` are rejected because they would broadcast against `[B]`.

    Raises:
      ShapeError: If an argument is not of rank 1, or is empty.
      DtypeError: If an argument is not an array, or not floating point.
    """
    for name, logits in (("real_logits", real_logits), ("fake_logits", fake_logits)):
        check_array(name, logits)
        if jnp.ndim(logits) != 1 or not jnp.size(logits):
            raise ShapeError(
                f"{name} has shape {jnp.shape(logits)}, expected [B], one logit per sample, with "
                "B at least 1; end the discriminator with `.squeeze(-1)` if it returns [B, 1]"
            )
    check_floating(real_logits=real_logits, fake_logits=fake_logits)


def check_pairs(real_logits: jax.Array, fake_logits: jax.Array) -> None:
    """Checks that the logits form pairs.

    Batches of different sizes are rejected because a batch of size 1 would broadcast.

    Raises:
      ShapeError: If an argument is not of rank 1, or is empty, or the batches differ in size.
      DtypeError: If an argument is not floating point.
    """
    check_logits(real_logits, fake_logits)
    if real_logits.shape != fake_logits.shape:
        raise ShapeError(
            f"there are {real_logits.size} real_logits and {fake_logits.size} fake_logits, "
            "expected pairs; use batches of equal size, or losses.relativistic_average"
        )


non_saturating = GANLoss(logistic_discriminator, non_saturating_generator, jax.nn.sigmoid)
minimax = GANLoss(logistic_discriminator, minimax_generator, jax.nn.sigmoid)
least_squares = GANLoss(least_squares_discriminator, least_squares_generator, None)
hinge = GANLoss(hinge_discriminator, wasserstein_generator, None)
wasserstein = GANLoss(wasserstein_discriminator, wasserstein_generator, None)
relativistic = GANLoss(relativistic_discriminator, relativistic_generator, None)
relativistic_average = GANLoss(
    relativistic_average_discriminator, relativistic_average_generator, None
)
