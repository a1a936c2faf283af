"""What a classifier says of samples: how sure it is, and which classes are there, how often.

The classifier is any; scores and counts are comparable only under one classifier, and at one sample size.
"""

import jax
import jax.numpy as jnp
from jax.scipy.special import logsumexp

from jaxgan._checks import check_floating
from jaxgan.errors import DtypeError, ShapeError


def classifier_score(logits: jax.Array) -> jax.Array:
    """The inception score's formula, exp E KL(p(y|x) || p(y)), where p(y) is the mean of p(y|x) over the samples.

    Args:
      logits: `[N, K]`, of a softmax over K classes.

    Returns:
      Scalar, 1 to K: K where every sample is surely of a class and the classes are equally many; 1 where all samples
      are judged alike. Few samples lower it: perfect ones of 10 classes have 8.59 on average in batches of 32.

    Raises:
      ShapeError: where the logits are not `[N, K]`.
      DtypeError: where they are not floating.

    References:
      Salimans et al. 2016, section 4.
    """
    if logits.ndim != 2 or not logits.size:
        raise ShapeError(
            f"logits have shape {list(logits.shape)}, expected [N, K], N and K at least 1"
        )
    check_floating(logits=logits)
    log_p = jax.nn.log_softmax(logits.astype(jnp.promote_types(logits.dtype, jnp.float32)))
    log_marginal = logsumexp(log_p, axis=0) - jnp.log(len(logits))
    p = jnp.exp(log_p)
    terms = jnp.where(p > 0, p * (log_p - log_marginal[None]), 0)
    return jnp.exp(jnp.mean(jnp.sum(terms, axis=1)))


def class_counts(labels: jax.Array, num_classes: int) -> jax.Array:
    """int32 `[K]`: how many of `labels [N]` are of each class; labels outside 0 to K - 1, such as -1, count nowhere.

    Raises:
      ShapeError: where the labels are not `[N]`.
      DtypeError: where the labels are not integers.
    """
    if labels.ndim != 1:
        raise ShapeError(f"labels have shape {list(labels.shape)}, expected [N]")
    if not jnp.issubdtype(labels.dtype, jnp.integer):
        raise DtypeError(f"labels are {labels.dtype}, expected integers; take the argmax of logits")
    known = jnp.where((labels >= 0) & (labels < num_classes), labels.astype(jnp.int32), num_classes)
    return jnp.zeros(num_classes, jnp.int32).at[known].add(1, mode="drop")


def count_modes(counts: jax.Array, least: int = 1) -> jax.Array:
    """The number of classes with at least so many samples, of `counts [K]`."""
    return jnp.sum(counts >= least)


def kl_divergence(counts: jax.Array, reference_counts: jax.Array) -> jax.Array:
    """KL(samples || reference) of the frequencies that `counts [K]` and `reference_counts [K]` give.

    Counts need not be whole: probabilities serve as well, as in `divergence(counts, jnp.ones(1000))`.

    Returns:
      Scalar, in nats, at least 0: ln (K/m) for m of K equally frequent classes, as a class without samples adds 0;
      infinite where a class is in the samples but not in the reference; NaN where either is empty. Perfect samples have
      `divergence_floor` on average.

    Raises:
      ShapeError: where the counts are not both `[K]`.
      DtypeError: where they are neither integers nor floating.
    """
    if counts.ndim != 1 or counts.shape != reference_counts.shape or not counts.size:
        shapes = f"counts have shape {list(counts.shape)}, reference_counts {list(reference_counts.shape)}"
        raise ShapeError(f"{shapes}, expected [K] of both, K at least 1")
    for name, numbers in (("counts", counts), ("reference_counts", reference_counts)):
        if not (
            jnp.issubdtype(numbers.dtype, jnp.integer)
            or jnp.issubdtype(numbers.dtype, jnp.floating)
        ):
            raise DtypeError(f"{name} are {numbers.dtype}, expected integers or shares")
    p, q = (c / jnp.sum(c) for c in (counts, reference_counts))
    return jnp.sum(jnp.where(p == 0, 0, p * (jnp.log(p) - jnp.log(q))))


def expected_kl(num_classes: int, num: int, num_reference: int | None = None) -> float:
    """The mean of `divergence` over perfect samples, in nats, to first order: (K - 1) / (2 N).

    Args:
      num_classes: K, the classes that occur.
      num: N, how many samples; well above K, or the true mean is lower.
      num_reference: M, where the reference is counted from so many samples, not known: (K - 1)/2 · (1/N + 1/M).
    """
    return (num_classes - 1) / 2 * (1 / num + (1 / num_reference if num_reference else 0))


def expected_modes(num_classes: int, num: int) -> float:
    """The mean number of classes among N samples, if K classes are equally likely: K (1 - (1 - 1/K)^N)."""
    return num_classes * (1 - (1 - 1 / num_classes) ** num)
