"""The networks of Stacked MNIST: PacGAN's DCGAN."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from jaxgan import models


@pytest.mark.parametrize(
    ("module", "input_shape", "num_params", "output_shape"),
    [
        (models.PacDCGANGenerator(), (2, 100), 4_514_819, (2, 28, 28, 3)),
        (models.PacDCGANDiscriminator(), (3, 28, 28, 3), 4_310_401, (3,)),
        (models.PacDCGANDiscriminator(pack=2), (5, 28, 28, 3), 4_315_201, (2,)),
        (models.PacDCGANDiscriminator(pack=2), (1, 28, 28, 3), 4_315_201, (0,)),
    ],
)
def test_pacgan_networks_have_the_documented_shapes(module, input_shape, num_params, output_shape):
    y, variables = jax.eval_shape(
        partial(module.init_with_output, train=True), jax.random.key(0), jnp.zeros(input_shape)
    )
    assert y.shape == output_shape
    assert sum(leaf.size for leaf in jax.tree.leaves(variables["params"])) == num_params


def test_pacgan_networks_are_initialized_with_a_standard_deviation_of_0_02():
    module = models.PacDCGANDiscriminator(width=8)
    variables = jax.jit(partial(module.init, train=True))(
        jax.random.key(0), jnp.zeros((1, 28, 28, 3))
    )
    for name, layer in variables["params"].items():
        if name.startswith(("Conv", "Dense")):
            kernel = np.asarray(layer["kernel"])
            assert abs(kernel.std() / 0.02 - 1) < 5 / kernel.size**0.5, name
            assert not np.any(layer["bias"]), name


def test_pacgan_discriminator_classifies_a_pack_together():
    """Its first layer sees the channels of all images of a pack, and of no other image."""
    module = models.PacDCGANDiscriminator(pack=2, width=2)
    x = np.random.default_rng(0).normal(size=(4, 28, 28, 3)).astype(np.float32)
    variables = jax.jit(partial(module.init, train=False))(jax.random.key(0), x)
    apply = jax.jit(partial(module.apply, variables, train=False))
    changed = x.copy()
    changed[3] += 1
    before, after = np.asarray(apply(x)), np.asarray(apply(changed))
    assert before[0] == after[0]
    assert before[1] != after[1]
    swapped = np.asarray(apply(x[[2, 3, 0, 1]]))
    np.testing.assert_allclose(swapped, before[::-1], rtol=1e-5)
