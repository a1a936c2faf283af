"""The latent explorer: its planes, and what it shows."""

import base64
import io

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from PIL import Image

from jaxgan import models, priors
from jaxgan.data.sources import to_pixels
from jaxgan.errors import ShapeError
from jaxgan.report import explorer
from tests.helpers.networks import tiny_gan


def diagonal_init(scale):
    """An initializer of a diagonal kernel."""
    return lambda key, shape, dtype=jnp.float32: jnp.diag(jnp.array(scale, dtype))


class Generator(nn.Module):
    """A generator whose first layer is diagonal."""

    @nn.compact
    def __call__(self, z, *, train):
        x = nn.Dense(4, kernel_init=diagonal_init([3.0, 0.1, 9.0, 0.1]))(z)
        return jnp.tanh(nn.Dense(36)(nn.relu(x))).reshape(-1, 6, 6, 1)


@pytest.fixture(scope="module")
def linear_gan():
    gan = tiny_gan(generator=Generator(), prior=priors.normal(4))
    return gan, gan.init(jax.random.key(0), jnp.zeros((1, 6, 6, 1))).g.variables


def test_principal_directions_are_those_of_the_first_layer(linear_gan):
    gan, variables = linear_gan
    z = np.asarray(gan.prior(jax.random.key(1), 200))
    first, second = explorer.principal_directions(gan, variables, z)[:, 0]
    np.testing.assert_allclose(np.abs(first), [0, 0, 1, 0], atol=0.2)
    np.testing.assert_allclose(np.abs(second), [1, 0, 0, 0], atol=0.2)


def test_first_layer_outputs_are_those_of_the_dense_layer(linear_gan):
    gan, variables = linear_gan
    z = np.asarray(gan.prior(jax.random.key(1), 5))
    outputs = explorer.first_layer_outputs(gan, variables, z, None)
    np.testing.assert_allclose(outputs, z * [3.0, 0.1, 9.0, 0.1], rtol=1e-5)


def test_explorer_refuses_other_than_four_seeds(linear_gan):
    with pytest.raises(ShapeError, match=r"corners have shape \[2, 4\], expected \[4, dim\]"):
        explorer.make_explorer(*linear_gan, seeds=(4, 5))


@pytest.mark.parametrize(("channels", "found"), [(1, {"kind": "images"}), (2, None)])
def test_describe_kind_has_no_images_of_two_channels(channels, found):
    assert explorer.describe_kind(np.zeros((3, 6, 6, channels)), "mnist") == found


def test_explorer_has_the_samples_of_the_corners(linear_gan):
    gan, variables = linear_gan
    found = explorer.make_explorer(gan, variables, seeds=(4, 5, 6, 7))
    assert (found["kind"], found["size"], found["classes"]) == ("images", 21, [])
    corners, principal = found["planes"]
    sheet = decode(corners["sheets"][0])
    assert sheet.shape == (21 * 6, 21 * 6)
    z = gan.prior(jax.random.key(5), 1)
    expected = to_pixels(gan.generate(variables, z))[0, :, :, 0]
    np.testing.assert_allclose(sheet[:6, -6:].astype(int), expected.astype(int), atol=1)
    assert "seeds 4, 5, 6, 7" in corners["note"]
    assert "spherical" in corners["note"]
    middle = to_pixels(gan.generate(variables, jnp.zeros((1, 4))))[0, :, :, 0]
    sheet = decode(principal["sheets"][0])
    np.testing.assert_array_equal(sheet[60:66, 60:66], middle)


def decode(uri):
    """Returns the gray levels of a data URI."""
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(uri.partition(",")[2]))))


def test_explorer_has_a_sheet_for_each_class():
    gan = tiny_gan(
        generator=models.MLPGenerator(shape=(6, 6, 1), widths=(8,), num_classes=3),
        discriminator=models.MLPDiscriminator(widths=(8,), num_classes=3),
    )
    state = gan.init(jax.random.key(0), jnp.zeros((1, 6, 6, 1)), jnp.zeros(1, jnp.int32))
    found = explorer.make_explorer(gan, state.g.variables, class_names=("a", "b", "c"))
    assert (found["size"], found["classes"]) == (11, ["a", "b", "c"])
    assert [len(set(plane["sheets"])) for plane in found["planes"]] == [3, 3]


@pytest.mark.parametrize(
    ("shape", "name", "kind"),
    [((9, 2), "ring", "points"), ((9, 15), "parabola", "curves"), ((9, 5), "other", None)],
)
def test_describe_kind_of_samples_that_are_not_images(shape, name, kind):
    found = explorer.describe_kind(np.zeros(shape), name)
    assert (found or {}).get("kind") == kind
    if kind == "points":
        assert len(found["modes"]) == 8
