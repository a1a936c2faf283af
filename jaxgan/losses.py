"""The objectives of the two players, as pure functions of logits.

Every loss maps `(real_logits [B], fake_logits [B]) -> scalar`, in nats, in that order, for either player. A logit is
the discriminator's unbounded score; higher means more real, and `sigmoid(logit)` is the tutorials' D(x). Working on
logits keeps every loss and gradient finite wherever the logits are. Players minimise.
"""

from collections.abc import Callable
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jax.nn import softplus

from jaxgan.errors import ShapeError

LossFn = Callable[[jax.Array, jax.Array], jax.Array]


class GANLoss(NamedTuple):
    """One objective for each player.

    Attributes:
      discriminator: the loss that D minimises.
      generator: the loss that G minimises.
      probability: maps logits to the probability of being real, or None where logits are scores without such a meaning
        (critics).
    """

    discriminator: LossFn
    generator: LossFn
    probability: Callable[[jax.Array], jax.Array] | None


def logistic_discriminator(real_logits: jax.Array, fake_logits: jax.Array) -> jax.Array:
    """Cross-entropy of telling real from fake: mean softplus(-D(x)) + mean softplus(D(G(z))).

    Args:
      real_logits: `[B]`, unbounded; higher means more real.
      fake_logits: `[B]`, same scale.

    Returns:
      Scalar, in nats; 2 log 2 ≈ 1.386 when every logit is 0 (the terms are summed, not averaged).

    Raises:
      ShapeError: naming the argument that is not of rank 1.

    References:
      Goodfellow et al. 2014, eq. 1.
    """
    check_logits(real_logits, fake_logits)
    return jnp.mean(softplus(-real_logits)) + jnp.mean(softplus(fake_logits))


def minimax_generator(real_logits: jax.Array, fake_logits: jax.Array) -> jax.Array:
    """The saturating loss: mean log(1 - sigmoid(D(G(z)))) = -mean softplus(D(G(z))).

    Its gradient vanishes where D is sure that the fakes are fake.

    Args:
      real_logits: `[B]`, unused.
      fake_logits: `[B]`, unbounded.

    Returns:
      Scalar, in nats, at most 0; -log 2 ≈ -0.693 when every logit is 0.

    Raises:
      ShapeError: naming the argument that is not of rank 1.

    References:
      Goodfellow et al. 2014, eq. 1.
    """
    check_logits(real_logits, fake_logits)
    return -jnp.mean(softplus(fake_logits))


def non_saturating_generator(real_logits: jax.Array, fake_logits: jax.Array) -> jax.Array:
    """Cross-entropy of passing fakes off as real: -mean log sigmoid(D(G(z))) = mean softplus(-D(G(z))).

    Args:
      real_logits: `[B]`, unused.
      fake_logits: `[B]`, unbounded.

    Returns:
      Scalar, in nats, at least 0; log 2 ≈ 0.693 when every logit is 0.

    Raises:
      ShapeError: naming the argument that is not of rank 1.

    References:
      Goodfellow et al. 2014, section 3.
    """
    check_logits(real_logits, fake_logits)
    return jnp.mean(softplus(-fake_logits))


def check_logits(real_logits: jax.Array, fake_logits: jax.Array) -> None:
    """Raises ShapeError unless both are of rank 1: `[B, 1]` logits are how labels come to broadcast."""
    for name, logits in (("real_logits", real_logits), ("fake_logits", fake_logits)):
        if jnp.ndim(logits) != 1:
            raise ShapeError(
                f"{name} has shape {jnp.shape(logits)}, expected [B], one logit a sample; "
                "end the discriminator in `.squeeze(-1)` if it gives [B, 1]"
            )


non_saturating = GANLoss(logistic_discriminator, non_saturating_generator, jax.nn.sigmoid)
minimax = GANLoss(logistic_discriminator, minimax_generator, jax.nn.sigmoid)
