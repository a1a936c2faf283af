import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

from jaxgan import models
from jaxgan.models import Classifier, ConvDiscriminator, ConvGenerator

# Model, shape of its input, shape of its output.
MODELS = {
    "d": (ConvDiscriminator, (2, 28, 28, 1), (2,)),
    "g": (ConvGenerator, (2, 100), (2, 28, 28, 1)),
}


@pytest.fixture(scope="module")
def variables():
    return {
        name: jax.jit(partial(model().init, train=True))(jax.random.key(0), jnp.zeros(shape))
        for name, (model, shape, _) in MODELS.items()
    }


def test_models_exports_exist():
    assert all(hasattr(models, name) for name in models.__all__)


@pytest.mark.parametrize(("name", "count"), [("d", 1_102_721), ("g", 6_679_105)])
def test_conv_models_have_the_documented_parameter_counts(variables, name, count):
    assert sum(x.size for x in jax.tree.leaves(variables[name]["params"])) == count


def test_classifier_has_the_documented_shapes_and_parameter_count():
    (features, logits), variables = jax.eval_shape(
        partial(Classifier(num_classes=10).init_with_output, train=True),
        jax.random.key(0),
        jnp.zeros((2, 28, 28, 1)),
    )
    assert (features.shape, logits.shape) == ((2, 128), (2, 10))
    assert sum(x.size for x in jax.tree.leaves(variables["params"])) == 80_202


@pytest.mark.parametrize(
    ("name", "layer", "fan_in"),
    [
        ("d", "Conv_0", 25),
        ("d", "Conv_1", 25 * 32),
        ("d", "Dense_0", 1024),
        ("d", "Dense_1", 1024),
        ("g", "Dense_0", 100),
        ("g", "Dense_1", 1024),
        ("g", "ConvTranspose_0", 1024),  # PyTorch uses the output channels as fan-in here.
        ("g", "ConvTranspose_1", 16),
    ],
)
def test_conv_models_initial_bounds_equal_pytorch(variables, name, layer, fan_in):
    for parameter, x in variables[name]["params"][layer].items():
        largest = float(jnp.abs(x).max()) * math.sqrt(fan_in)
        assert largest <= 1 + 1e-6, parameter
        assert largest > 1 - 20 / x.size, parameter


def test_conv_generator_batch_norms_equal_pytorch(variables):
    batch_stats = variables["g"]["batch_stats"]
    assert {k: v["mean"].shape for k, v in batch_stats.items()} == {
        "BatchNorm_0": (1024,),
        "BatchNorm_1": (6272,),
        "BatchNorm_2": (64,),
    }
    z = jax.random.uniform(jax.random.key(1), (64, 100), jnp.float32, -1, 1)
    _, updated = ConvGenerator().apply(variables["g"], z, train=True, mutable=["batch_stats"])
    kernel, bias = (np.asarray(variables["g"]["params"]["Dense_0"][k]) for k in ("kernel", "bias"))
    active = np.maximum(np.asarray(z) @ kernel + bias[None], 0)
    np.testing.assert_allclose(
        updated["batch_stats"]["BatchNorm_0"]["mean"], 0.1 * active.mean(0), rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_conv_models_have_the_documented_shape_dtype_and_range(name, dtype):
    model, input_shape, output_shape = MODELS[name]
    model = model(dtype=dtype)
    x = jax.random.uniform(jax.random.key(2), input_shape, jnp.float32, -1, 1)
    y, variables = jax.jit(partial(model.init_with_output, train=True))(jax.random.key(0), x)
    assert y.shape == output_shape
    assert y.dtype == dtype
    dtypes = {v.dtype for v in traverse_util.flatten_dict(variables["params"]).values()}
    assert dtypes == {jnp.dtype(jnp.float32)}
    if name == "g":
        assert float(jnp.abs(y.astype(jnp.float32)).max()) <= 1


@pytest.mark.stress
def test_conv_generator_rows_are_independent_in_evaluation_mode(variables):
    z = jax.random.uniform(jax.random.key(1), (3, 100), jnp.float32, -1, 1)
    generate = jax.jit(lambda z: ConvGenerator().apply(variables["g"], z, train=False))
    np.testing.assert_allclose(generate(z)[:1], generate(z[:1]), rtol=1e-4, atol=1e-5)
