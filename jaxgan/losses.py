"""The objectives of the two players, as pure functions of logits.

Every loss maps `(real_logits [B], fake_logits [B]) -> scalar`, in that order, for either player; players minimise. A
logit is the discriminator's unbounded score; higher means more real. Working on logits keeps every loss and gradient
finite wherever the logits are. Terms are summed, not averaged. All raise ShapeError naming the argument that is not of
rank 1; the two batches may differ in size, except where they form pairs.

Logistic losses are in nats, and `sigmoid(logit)` is the tutorials' D(x); relativistic ones are in nats too, but there
only differences of logits mean something. Hinge and Wasserstein losses are in units of the score, least squares in its
square.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.nn import relu, softplus

from jaxgan._checks import check_floating
from jaxgan.errors import ShapeError

LossFn = Callable[[jax.Array, jax.Array], jax.Array]


class GANLoss(NamedTuple):
    """One objective for each player.

    Attributes:
      discriminator: the loss that D minimises.
      generator: the loss that G minimises.
      probability: maps logits to the probability of being real, or None where logits are scores without such a meaning.
    """

    discriminator: LossFn
    generator: LossFn
    probability: Callable[[jax.Array], jax.Array] | None


def logistic_discriminator(real_logits: jax.Array, fake_logits: jax.Array) -> jax.Array:
    """Cross-entropy of telling real from fake: mean softplus(-D(x)) + mean softplus(D(G(z))).

    Returns:
      Scalar, in nats, at least 0; 2 log 2 ≈ 1.386 when every logit is 0.

    References:
      Goodfellow et al. 2014, eq. 1.
    """
    check_logits(real_logits, fake_logits)
    return jnp.mean(softplus(-real_logits)) + jnp.mean(softplus(fake_logits))


def minimax_generator(real_logits: jax.Array, fake_logits: jax.Array) -> jax.Array:
    """The saturating loss: mean log(1 - sigmoid(D(G(z)))) = -mean softplus(D(G(z))).

    Its gradient vanishes where D is sure that the fakes are fake. The real logits are unused.

    Returns:
      Scalar, in nats, at most 0; -log 2 ≈ -0.693 when every logit is 0.

    References:
      Goodfellow et al. 2014, eq. 1.
    """
    check_logits(real_logits, fake_logits)
    return -jnp.mean(softplus(fake_logits))


def non_saturating_generator(real_logits: jax.Array, fake_logits: jax.Array) -> jax.Array:
    """Cross-entropy of passing fakes off as real: -mean log sigmoid(D(G(z))) = mean softplus(-D(G(z))).

    The real logits are unused.

    Returns:
      Scalar, in nats, at least 0; log 2 ≈ 0.693 when every logit is 0.

    References:
      Goodfellow et al. 2014, section 3.
    """
    check_logits(real_logits, fake_logits)
    return jnp.mean(softplus(-fake_logits))


def least_squares_discriminator(real_logits: jax.Array, fake_logits: jax.Array) -> jax.Array:
    """Half the squared distances from the targets 1 and 0: mean (D(x) - 1)²/2 + mean D(G(z))²/2.

    Returns:
      Scalar, at least 0; 1/2 when every logit is 0.

    References:
      Mao et al. 2017, eq. 9.
    """
    check_logits(real_logits, fake_logits)
    return (jnp.mean((real_logits - 1) ** 2) + jnp.mean(fake_logits**2)) / 2


def least_squares_generator(real_logits: jax.Array, fake_logits: jax.Array) -> jax.Array:
    """Half the squared distance from the target 1: mean (D(G(z)) - 1)²/2. The real logits are unused.

    Returns:
      Scalar, at least 0; 1/2 when every logit is 0.

    References:
      Mao et al. 2017, eq. 9.
    """
    check_logits(real_logits, fake_logits)
    return jnp.mean((fake_logits - 1) ** 2) / 2


def hinge_discriminator(real_logits: jax.Array, fake_logits: jax.Array) -> jax.Array:
    """How far the logits are from a margin of 1 on their side: mean max(0, 1 - D(x)) + mean max(0, 1 + D(G(z))).

    Returns:
      Scalar, at least 0; 2 when every logit is 0.

    References:
      Lim and Ye 2017; Miyato et al. 2018, eq. 16.
    """
    check_logits(real_logits, fake_logits)
    return jnp.mean(relu(1 - real_logits)) + jnp.mean(relu(1 + fake_logits))


def wasserstein_discriminator(real_logits: jax.Array, fake_logits: jax.Array) -> jax.Array:
    """The critic's loss: mean D(G(z)) - mean D(x). A critic whose slope is at most 1 makes of it minus a distance.

    Returns:
      Scalar, unbounded; 0 when every logit is 0.

    References:
      Arjovsky et al. 2017, eq. 2.
    """
    check_logits(real_logits, fake_logits)
    return jnp.mean(fake_logits) - jnp.mean(real_logits)


def wasserstein_generator(real_logits: jax.Array, fake_logits: jax.Array) -> jax.Array:
    """Minus the score of the fakes: -mean D(G(z)), against Wasserstein and hinge critics. The real logits are unused.

    Returns:
      Scalar, unbounded; 0 when every logit is 0.

    References:
      Arjovsky et al. 2017, algorithm 1; Miyato et al. 2018, eq. 17.
    """
    check_logits(real_logits, fake_logits)
    return -jnp.mean(fake_logits)


def relativistic_discriminator(real_logits: jax.Array, fake_logits: jax.Array) -> jax.Array:
    """Cross-entropy of telling which one of a pair is real: mean softplus(D(G(z)) - D(x)).

    Returns:
      Scalar, in nats, at least 0; log 2 ≈ 0.693 when every logit is 0.

    Raises:
      ShapeError: where the batches differ in size; the i-th logits are a pair.

    References:
      Jolicoeur-Martineau 2019 (RSGAN); Huang et al. 2024 (RpGAN).
    """
    check_pairs(real_logits, fake_logits)
    return jnp.mean(softplus(fake_logits - real_logits))


def relativistic_generator(real_logits: jax.Array, fake_logits: jax.Array) -> jax.Array:
    """Cross-entropy of taking the fake one of a pair for the real one: mean softplus(D(x) - D(G(z))).

    Returns, Raises, References: as of `relativistic_discriminator`.
    """
    check_pairs(real_logits, fake_logits)
    return jnp.mean(softplus(real_logits - fake_logits))


def relativistic_average_discriminator(real_logits: jax.Array, fake_logits: jax.Array) -> jax.Array:
    """Cross-entropy of each logit against the others' mean: mean softplus(f̄ - D(x)) + mean softplus(D(G(z)) - r̄).

    Gradients flow through the means r̄ of D(x) and f̄ of D(G(z)) too.

    Returns:
      Scalar, in nats, at least 0; 2 log 2 ≈ 1.386 when every logit is 0.

    References:
      Jolicoeur-Martineau 2019 (RaSGAN).
    """
    check_logits(real_logits, fake_logits)
    return logistic_discriminator(
        real_logits - jnp.mean(fake_logits), fake_logits - jnp.mean(real_logits)
    )


def relativistic_average_generator(real_logits: jax.Array, fake_logits: jax.Array) -> jax.Array:
    """The same with the roles exchanged: mean softplus(D(x) - f̄) + mean softplus(r̄ - D(G(z))).

    Returns, References: as of `relativistic_average_discriminator`.
    """
    check_logits(real_logits, fake_logits)
    return relativistic_average_discriminator(fake_logits, real_logits)


def check_logits(real_logits: jax.Array, fake_logits: jax.Array) -> None:
    """Raises ShapeError unless both are `[B]`, for `[B, 1]` logits would broadcast; DtypeError unless floating."""
    for name, logits in (("real_logits", real_logits), ("fake_logits", fake_logits)):
        if jnp.ndim(logits) != 1 or not jnp.size(logits):
            raise ShapeError(
                f"{name} has shape {jnp.shape(logits)}, expected [B], one logit a sample, B at least 1; "
                "end the discriminator in `.squeeze(-1)` if it gives [B, 1]"
            )
    check_floating(real_logits=real_logits, fake_logits=fake_logits)


def check_pairs(real_logits: jax.Array, fake_logits: jax.Array) -> None:
    """Raises ShapeError unless both are of rank 1 and of one size: a batch of one would be everybody's partner."""
    check_logits(real_logits, fake_logits)
    if real_logits.shape != fake_logits.shape:
        raise ShapeError(
            f"there are {real_logits.size} real_logits and {fake_logits.size} fake_logits, expected pairs; "
            "give batches of one size, or use losses.relativistic_average"
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
