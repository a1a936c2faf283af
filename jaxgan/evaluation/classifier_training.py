"""Trains the classifier of an evaluation from a fixed seed."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax

from jaxgan.data.sources import array_source, default_repeats, from_pixels
from jaxgan.data.splits import Images
from jaxgan.models.classifier import Classifier

NUM_EPOCHS = 4
BATCH_SIZE = 128
LEARNING_RATE = 2e-3
STEPS_PER_BLOCK = 50  # train steps in one compiled loop, between two calls of progress_fn


def train_classifier(
    data: Images,
    num_classes: int,
    progress_fn: Callable[[int, int], None] = lambda done, total: None,
) -> Any:
    """Trains a classifier with Adam and a cosine decay of the learning rate, from a fixed seed.

    Args:
      data: Training images; the labels are class indices 0 to `num_classes` - 1.
      num_classes: Number of classes K.
      progress_fn: Called with (steps done, total steps).

    Returns:
      The parameters of a `Classifier(num_classes)`.
    """
    model = Classifier(num_classes=num_classes)
    apply: Callable[..., Any] = model.apply
    source = array_source(
        data.images,
        min(BATCH_SIZE, len(data.images)),
        labels=data.labels,
        repeats=default_repeats(len(data.images)),
    )
    total_steps = NUM_EPOCHS * source.batches_per_epoch
    init_key, order_key, batch_key = jax.random.split(jax.random.key(0), 3)
    init_fn, order_fn = jax.jit(partial(model.init, train=True)), jax.jit(source.order)
    params = init_fn(init_key, from_pixels(jnp.asarray(data.images[:1])))["params"]
    tx = optax.adam(optax.cosine_decay_schedule(LEARNING_RATE, total_steps))

    def loss_fn(params, images, labels):
        _, logits = apply({"params": params}, images, train=True)
        return jnp.mean(optax.softmax_cross_entropy_with_integer_labels(logits, labels))

    @partial(jax.jit, donate_argnums=0)
    def train_block(train_state, arrays, order, begin, end):
        def train_step(index, train_state):
            params, opt_state = train_state
            images, labels = source.batch(arrays, order, jax.random.clone(batch_key), index)
            grads = jax.grad(loss_fn)(params, images, labels)
            updates, opt_state = tx.update(grads, opt_state, params)
            return optax.apply_updates(params, updates), opt_state

        return jax.lax.fori_loop(begin, end, train_step, train_state)

    train_state = (params, tx.init(params))
    for epoch in range(NUM_EPOCHS):
        order = order_fn(jax.random.clone(order_key), jnp.int32(epoch))
        for begin in range(0, source.batches_per_epoch, STEPS_PER_BLOCK):
            end = min(begin + STEPS_PER_BLOCK, source.batches_per_epoch)
            train_state = jax.block_until_ready(
                train_block(train_state, source.arrays, order, jnp.int32(begin), jnp.int32(end))
            )
            progress_fn(epoch * source.batches_per_epoch + end, total_steps)
    return train_state[0]
