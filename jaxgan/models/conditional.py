"""Layers of class-conditional networks.

The condition of a network with K classes is the class index of each sample, or a weight for each
class. A one-hot vector of weights has the same effect as the index. Other weights mix the classes,
for example to interpolate between two of them. Each layer multiplies the weights by an embedding
table, a matrix with one row per class.
"""

import operator
from functools import partial

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxgan.errors import ShapeError
from jaxgan.models.layers import dense, uniform_fan_in


def class_weights(condition, num_classes, dtype=None):
    """Returns the weight of each class, `[B, K]`, or None if `num_classes` is None.

    Args:
      condition: Class indices, integers `[B]` from 0 to K - 1; weights of the classes, floating
        `[B, K]`; or None. An index out of range gives weights of NaN, because compiled code cannot
        raise an error.
      num_classes: K, or None for a network without classes.
      dtype: Dtype of the weights; None for float32.

    Raises:
      ShapeError: If `condition` is not of one of these forms, is missing although `num_classes` is
        given, or is given although `num_classes` is None.
    """
    if num_classes is None:
        if condition is not None:
            raise ShapeError(
                "a condition is given, but num_classes of the network is None; set num_classes to "
                "the number of classes, or leave the condition out"
            )
        return None
    expected = f"expected class indices [B], integers, or weights [B, {num_classes}], floating"
    if condition is None:
        raise ShapeError(
            f"num_classes of the network is {num_classes}, but no condition is given; {expected}"
        )
    condition = jnp.asarray(condition)
    dtype = dtype or jnp.float32
    if condition.ndim == 1 and jnp.issubdtype(condition.dtype, jnp.integer):
        is_class = (condition >= 0) & (condition < num_classes)
        weights = jax.nn.one_hot(condition, num_classes, dtype=dtype)
        return jnp.where(is_class[:, None], weights, jnp.nan)
    if condition.shape[1:] == (num_classes,) and jnp.issubdtype(condition.dtype, jnp.floating):
        return condition.astype(dtype)
    raise ShapeError(
        f"condition is {condition.dtype}{list(condition.shape)}, {expected}; pass one of these"
    )


def embed_classes(weights, features, kernel_init, apply=operator.call, **options):
    """Returns the embedding of each sample's class, `[B, features]`.

    Args:
      weights: `[B, K]`, see `class_weights`.
      features: Number of features.
      kernel_init: Initializer of the embedding table, `[K, features]`.
      apply: `(module, x) -> output`, how the layer is applied; see `jaxgan.models.layers`.
      **options: Passed to `nn.Dense`.
    """
    # With the default precision, GPUs and TPUs would round the embeddings.
    options |= {"use_bias": False, "kernel_init": kernel_init, "precision": "highest"}
    return apply(nn.Dense(features, **options), weights)


def batch_norm(x, weights, *, train, **dtypes):
    """Applies BatchNorm, with a scale and a bias for each class if there are classes.

    Args:
      x: `[B, …, F]`.
      weights: `[B, K]`, see `class_weights`; None for ordinary BatchNorm.
      train: Whether to normalize with the statistics of the batch, and to update the running
        averages, which are used otherwise.
      **dtypes: `dtype` and `param_dtype`, see `nn.BatchNorm`.

    Returns:
      `[B, …, F]`.

    References:
      Dumoulin et al. 2017, section 2.2; Miyato and Koyama 2018 (in the generator).
    """
    norm = partial(nn.BatchNorm, use_running_average=not train, momentum=0.9, **dtypes)
    if weights is None:
        return norm()(x)
    x = norm(use_scale=False, use_bias=False)(x)
    shape = (x.shape[0], *(1,) * (x.ndim - 2), x.shape[-1])
    scale = embed_classes(weights, x.shape[-1], nn.initializers.ones, **dtypes)
    bias = embed_classes(weights, x.shape[-1], nn.initializers.zeros, **dtypes)
    return x * scale.reshape(shape) + bias.reshape(shape)


def output_logits(x, weights, apply=operator.call, **options):
    """Applies the output layer of a discriminator: dense, plus a projection if there are classes.

    The logit is `w · x + b`, plus `v · x` with the embedding v of the sample's class.

    Args:
      x: `[B, F]`, the last features.
      weights: `[B, K]`, see `class_weights`; None for the dense layer alone.
      apply: `(module, x) -> output`, how the layers are applied.
      **options: Passed to `nn.Dense`.

    Returns:
      Logits `[B]`.

    References:
      Miyato and Koyama 2018, eq. 3.
    """
    logits = dense(x, 1, apply, **options).squeeze(-1)
    if weights is None:
        return logits
    kernel_init = uniform_fan_in(x.shape[-1])  # that of the dense layer
    embedding = embed_classes(weights, x.shape[-1], kernel_init, apply, **options)
    return logits + jnp.sum(embedding * x, axis=-1)
