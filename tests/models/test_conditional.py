"""Layers and networks whose output depends on a class."""

import operator
from collections.abc import Callable
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn

from jaxgan import losses, make_gan, models, optimizers, priors
from jaxgan.errors import ShapeError
from jaxgan.models.conditional import batch_norm, class_weights, output_logits
from jaxgan.models.layers import spectral_norm
from tests.helpers.networks import draw_arrays

LABELS = jnp.array([2, 0, 2, 1])
SHAPE = (8, 8, 1)
PAIRS = {
    "mlp": (models.MLPGenerator, models.MLPDiscriminator, {"widths": (8,)}, SHAPE),
    "conv": (models.ConvGenerator, models.ConvDiscriminator, {}, (28, 28, 1)),
    "dcgan": (models.DCGANGenerator, models.DCGANDiscriminator, {"width": 2}, SHAPE),
}


class BatchNorm(nn.Module):
    """The conditional layer as a module."""

    @nn.compact
    def __call__(self, x, weights, *, train):
        return batch_norm(x, weights, train=train)


class Logits(nn.Module):
    """The output layer as a module."""

    layer_fn: Callable = operator.call

    @nn.compact
    def __call__(self, x, weights):
        return output_logits(x, weights, self.layer_fn)


def test_class_weights_of_indices_and_of_weights():
    expected = np.eye(3, dtype=np.float32)[np.asarray(LABELS)]
    np.testing.assert_array_equal(class_weights(LABELS, 3), expected)
    np.testing.assert_array_equal(class_weights(LABELS.astype(jnp.uint8), 3), expected)
    np.testing.assert_array_equal(class_weights(jnp.asarray(expected), 3), expected)
    assert class_weights(LABELS, 3, jnp.bfloat16).dtype == jnp.bfloat16
    assert class_weights(None, None) is None


def test_class_indices_out_of_range_give_nan():
    weights = class_weights(jnp.asarray([-1, 0, 2, 3]), 3)
    np.testing.assert_array_equal(weights, [[np.nan] * 3, [1, 0, 0], [0, 0, 1], [np.nan] * 3])
    assert class_weights(jnp.asarray([3]), 3, jnp.bfloat16).dtype == jnp.bfloat16


@pytest.mark.parametrize(
    ("condition", "num_classes", "message"),
    [
        (LABELS, None, "a condition is given, but num_classes of the network is None"),
        (None, 3, "num_classes of the network is 3, but no condition is given"),
        (LABELS.astype(jnp.float32), 3, r"condition is float32\[4\], expected class indices \[B\]"),
        (LABELS[:, None], 3, r"condition is int32\[4, 1\]"),
        (jnp.zeros((4, 2)), 3, r"condition is float32\[4, 2\], .* weights \[B, 3\], floating"),
    ],
)
def test_class_weights_refuses_other_conditions(condition, num_classes, message):
    with pytest.raises(ShapeError, match=message):
        class_weights(condition, num_classes)


@pytest.mark.parametrize("shape", [(5,), (3, 2, 5)])
@pytest.mark.parametrize("train", [False, True])
def test_batch_norm_scales_each_sample_by_its_class(shape, train):
    (x,) = draw_arrays((4, *shape))
    weights = class_weights(LABELS, 3)
    variables = BatchNorm().init(jax.random.key(0), x, weights, train=True)
    assert len(jax.tree.leaves(variables["params"])) == 2
    scale, bias = draw_arrays((3, 5), (3, 5))
    params = {"Dense_0": {"kernel": scale}, "Dense_1": {"kernel": bias}}
    assert jax.tree.map(jnp.shape, params) == jax.tree.map(jnp.shape, variables["params"])
    variables = variables | {"params": params}
    y, _ = BatchNorm().apply(variables, x, weights, train=train, mutable=["batch_stats"])
    normal = np.asarray(x, np.float64)
    if train:
        axes = tuple(range(x.ndim - 1))
        normal = (normal - normal.mean(axes)) / np.sqrt(normal.var(axes) + 1e-5)
    else:
        normal /= np.sqrt(1 + 1e-5)  # the initial running averages are 0 and 1
    for i, label in enumerate(np.asarray(LABELS)):
        expected = normal[i] * np.asarray(scale)[label] + np.asarray(bias)[label]
        np.testing.assert_allclose(y[i], expected, rtol=1e-4, atol=1e-5)


def test_batch_norm_with_classes_is_that_without_at_initialization():
    (x,) = draw_arrays((4, 5))
    weights = class_weights(LABELS, 3)
    outputs = [
        BatchNorm().init_with_output(jax.random.key(0), x, w, train=True)[0]
        for w in (None, weights)
    ]
    np.testing.assert_allclose(outputs[0], outputs[1], rtol=1e-6, atol=1e-6)


def test_output_logits_are_a_dense_layer_plus_a_projection():
    (x,) = draw_arrays((4, 6))
    weights = class_weights(LABELS, 3)
    logits, variables = Logits().init_with_output(jax.random.key(0), x, weights)
    dense, embedding = variables["params"]["Dense_0"], variables["params"]["Dense_1"]["kernel"]
    assert embedding.shape == (3, 6)
    assert float(jnp.abs(embedding).max()) <= 6**-0.5  # the bound of the dense layer
    w, b, v, h = (np.asarray(a, np.float64) for a in (*dense.values(), embedding, x))
    if w.ndim == 1:
        w, b = b, w
    expected = h @ w[:, 0] + b[0] + (h * v[np.asarray(LABELS)]).sum(1)
    np.testing.assert_allclose(logits, expected, rtol=1e-5)
    # The logit is linear in the weights of the classes.
    half = Logits().apply(variables, x, (weights + class_weights(LABELS * 0, 3)) / 2)
    zero = Logits().apply(variables, x, class_weights(LABELS * 0, 3))
    np.testing.assert_allclose(half, (logits + zero) / 2, rtol=1e-5, atol=1e-6)


def test_output_logits_with_spectral_norm_bounds_the_embedding():
    (x,) = draw_arrays((4, 6))
    x, weights = 100 * x, class_weights(LABELS, 3)
    module = Logits(partial(spectral_norm, train=True))
    variables = module.init(jax.random.key(0), x, weights)
    logits, _ = module.apply(variables, x, weights, mutable=["batch_stats"])
    bias = variables["params"]["Dense_0"]["bias"][0]
    # Both kernels have a largest singular value of 1, so the logit is at most 2 |x| from the bias.
    assert bool(jnp.all(jnp.abs(logits - bias) <= 2.05 * jnp.linalg.norm(x, axis=1)))


@pytest.mark.stress
@pytest.mark.parametrize("name", PAIRS)
def test_networks_depend_on_the_class(name):
    make_generator, make_discriminator, options, shape = PAIRS[name]
    g_options = {} if name == "conv" else {"shape": shape}
    gan = make_gan(
        make_generator(num_classes=3, **g_options, **options),
        make_discriminator(num_classes=3, **options),
        losses.non_saturating,
        optimizers.adam(1e-2),
        optimizers.adam(1e-2),
        priors.uniform(4),
    )
    (real,) = draw_arrays((4, *shape))
    state = gan.init(jax.random.key(0), real, LABELS)
    state, metrics = gan.step(state, real, jax.random.key(1), LABELS)
    assert bool(metrics["d"]["finite"] & metrics["g"]["finite"])
    z = gan.prior(jax.random.key(2), 4)
    first, other = (gan.generate(state.g.variables, z, c) for c in (LABELS, (LABELS + 1) % 3))
    assert float(jnp.abs(first - other).max()) > 1e-4
    weights = jax.nn.one_hot(LABELS, 3)
    np.testing.assert_allclose(gan.generate(state.g.variables, z, weights), first, atol=1e-6)
    discriminate = partial(make_discriminator(num_classes=3, **options).apply, train=False)
    logits = [discriminate(state.d.variables, real, c) for c in (LABELS, (LABELS + 1) % 3)]
    assert float(jnp.abs(logits[0] - logits[1]).max()) > 1e-4


def test_networks_without_classes_refuse_a_condition():
    z = jnp.zeros((4, 4))
    with pytest.raises(ShapeError, match="num_classes of the network is None"):
        models.MLPGenerator(SHAPE, (8,)).init(jax.random.key(0), z, LABELS, train=True)
