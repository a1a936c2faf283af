"""The networks of the mixtures: PacGAN's."""

from functools import partial

import chex
import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan import models

# Module, number of points, number of parameters, shape of the output.
NETWORKS = (
    (models.MixtureGenerator(), 6, 484_802, (6, 2)),
    (models.MixtureDiscriminator(), 6, 405_201, (6,)),
    (models.MixtureDiscriminator(pack=2), 7, 407_201, (3,)),
    (models.MixtureDiscriminator(pack=4), 1, 411_201, (0,)),
)


@pytest.mark.parametrize(("module", "num", "num_params", "output_shape"), NETWORKS)
def test_mixture_networks_are_those_of_pacgan(module, num, num_params, output_shape):
    init = jax.jit(partial(module.init_with_output, train=True))
    y, variables = init(jax.random.key(0), jnp.zeros((num, 2)))
    chex.assert_shape(y, output_shape)
    params = variables["params"]
    assert sum(leaf.size for leaf in jax.tree.leaves(params)) == num_params
    dense_layers = [layer for name, layer in params.items() if name.startswith("Dense")]
    for layer in dense_layers:
        assert abs(float(layer["kernel"].std()) / 0.02 - 1) < 5 / layer["kernel"].size ** 0.5
        assert not np.any(layer.get("bias", 0))
    num_biased = sum("bias" in layer for layer in dense_layers)
    assert num_biased == (1 if isinstance(module, models.MixtureGenerator) else 4)


def test_mixture_discriminator_takes_the_maximum_of_its_pieces():
    module = models.MixtureDiscriminator(width=3, pieces=2, layers=1)
    x = jnp.asarray(np.random.default_rng(0).normal(size=(5, 2)), jnp.float32)
    logits, variables = jax.jit(partial(module.init_with_output, train=True))(jax.random.key(0), x)
    first, last = (jax.tree.map(np.asarray, variables["params"][f"Dense_{i}"]) for i in range(2))
    pieces = np.asarray(x) @ first["kernel"]
    expected = np.maximum(pieces[:, :3], pieces[:, 3:]) @ last["kernel"]
    np.testing.assert_allclose(logits, expected[:, 0], rtol=1e-5)


def test_mixture_discriminator_judges_a_pack_together():
    module = models.MixtureDiscriminator(width=8, pack=2)
    x = np.random.default_rng(0).normal(size=(4, 2)).astype(np.float32)
    _, variables = jax.jit(partial(module.init_with_output, train=True))(jax.random.key(0), x)
    apply = jax.jit(partial(module.apply, variables, train=True))
    shift = np.eye(4, 2, -3, np.float32)  # changes the last point only
    before, after = np.asarray(apply(x)), np.asarray(apply(x + shift))
    assert before[0] == after[0]
    assert before[1] != after[1]
