import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

from jaxgan.models import ConvDiscriminator, ConvGenerator

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


@pytest.mark.parametrize(("name", "count"), [("d", 1_102_721), ("g", 6_679_105)])
def test_parameter_counts(variables, name, count):
    assert sum(x.size for x in jax.tree.leaves(variables[name]["params"])) == count


@pytest.mark.parametrize(
    ("name", "layer", "fan_in"),
    [
        ("d", "Conv_0", 25),
        ("d", "Conv_1", 25 * 32),
        ("d", "Dense_0", 1024),
        ("d", "Dense_1", 1024),
        ("g", "Dense_0", 100),
        ("g", "Dense_1", 1024),
        ("g", "ConvTranspose_0", 1024),  # PyTorch counts the outputs of transposed convolutions
        ("g", "ConvTranspose_1", 16),
    ],
)
def test_initial_bounds_are_pytorchs(variables, name, layer, fan_in):
    for which, x in variables[name]["params"][layer].items():
        largest = float(jnp.abs(x).max()) * math.sqrt(fan_in)
        assert largest <= 1 + 1e-6, which
        assert largest > 1 - 20 / x.size, which


def test_batch_norms_are_pytorchs(variables):
    batch_stats = variables["g"]["batch_stats"]
    assert {k: v["mean"].shape for k, v in batch_stats.items()} == {
        "BatchNorm_0": (1024,),
        "BatchNorm_1": (6272,),
        "BatchNorm_2": (64,),
    }
    z = jax.random.uniform(jax.random.key(1), (64, 100), jnp.float32, -1, 1)
    _, moved = ConvGenerator().apply(variables["g"], z, train=True, mutable=["batch_stats"])
    dense = variables["g"]["params"]["Dense_0"]
    active = np.maximum(
        np.asarray(z) @ np.asarray(dense["kernel"]) + np.asarray(dense["bias"])[None], 0
    )
    np.testing.assert_allclose(
        moved["batch_stats"]["BatchNorm_0"]["mean"], 0.1 * active.mean(0), rtol=1e-4, atol=1e-6
    )


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_shapes_dtypes_and_range(name, dtype):
    model, shape, output = MODELS[name]
    model = model(dtype=dtype)
    x = jax.random.uniform(jax.random.key(2), shape, jnp.float32, -1, 1)
    y, variables = jax.jit(lambda key, x: model.init_with_output(key, x, train=True))(
        jax.random.key(0), x
    )
    assert y.shape == output
    assert y.dtype == dtype
    assert {v.dtype for v in traverse_util.flatten_dict(variables["params"]).values()} == {
        jnp.dtype(jnp.float32)
    }
    if name == "g":
        assert float(jnp.abs(y.astype(jnp.float32)).max()) <= 1


def test_rows_are_independent_in_evaluation(variables):
    z = jax.random.uniform(jax.random.key(1), (3, 100), jnp.float32, -1, 1)
    generate = jax.jit(lambda z: ConvGenerator().apply(variables["g"], z, train=False))
    np.testing.assert_allclose(generate(z)[:1], generate(z[:1]), rtol=1e-4, atol=1e-5)
