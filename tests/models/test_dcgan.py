"""The convolutional pair for images of any size: shapes, parameter counts, options and errors."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import traverse_util

from jaxgan import losses, make_gan, optimizers, penalties, priors
from jaxgan.errors import ShapeError
from jaxgan.models import DCGANDiscriminator, DCGANGenerator
from jaxgan.models.dcgan import feature_map_sizes

SHAPES = (
    *((side, side, 1 + side % 4) for side in (8, 9, 12, 15, 16, 17, 28, 31, 32, 33, 64)),
    *((100, 100, 3), (127, 127, 1), (128, 128, 3), (129, 129, 2), (255, 255, 4), (256, 256, 3)),
    *((8, 256, 1), (256, 8, 3), (9, 16, 1), (16, 12, 3), (40, 100, 3), (100, 41, 2), (255, 33, 4)),
)
LATENT_DIM, WIDTH = 10, 4


def trace_generator(shape, **options):
    """Returns the shapes of the output and of the variables."""
    model = DCGANGenerator(shape, **({"width": WIDTH} | options))
    init = partial(model.init_with_output, train=True)
    return jax.eval_shape(init, jax.random.key(0), jnp.zeros((2, LATENT_DIM)))


def trace_discriminator(shape, **options):
    """Returns the shapes of the output and of the variables."""
    model = DCGANDiscriminator(**({"width": WIDTH} | options))
    init = partial(model.init_with_output, train=True)
    return jax.eval_shape(init, jax.random.key(0), jnp.zeros((2, *shape)))


def count_parameters(variables):
    return sum(x.size for x in jax.tree.leaves(variables["params"]))


def halve_sides(shape):
    """Returns the sizes of the feature maps by the rule: halve both sides, rounding up."""
    sizes, size = [], shape[:2]
    while min(size) > 4:
        size = tuple(math.ceil(side / 2) for side in size)
        sizes.append(size)
    return sizes


def expected_counts(shape, width):
    """Returns the numbers of parameters of G and of D without BatchNorm."""
    sizes = halve_sides(shape)
    channels = [min(2**i, 8) * width for i in range(len(sizes))]
    pairs = list(zip([shape[2], *channels], channels, strict=False))
    taps = sum(16 * fine * coarse for fine, coarse in pairs)
    smallest = math.prod(sizes[-1]) * channels[-1]
    # Each layer has a bias; each of G's feature maps has a scale and a shift per channel.
    g = smallest * (LATENT_DIM + 1) + taps + sum(channels[:-1]) + shape[2] + 2 * sum(channels)
    return g, taps + sum(channels) + smallest + 1


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "x".join(map(str, shape)))
def test_dcgan_shapes_and_parameter_counts_follow_the_rule(shape):
    assert feature_map_sizes(shape) == halve_sides(shape)
    assert 2 < min(feature_map_sizes(shape)[-1]) <= 4
    images, g = trace_generator(shape)
    logits, d = trace_discriminator(shape)
    assert (images.shape, logits.shape) == ((2, *shape), (2,))
    assert (count_parameters(g), count_parameters(d)) == expected_counts(shape, WIDTH)
    maps = {k: v["kernel"].shape for k, v in d["params"].items() if k.startswith("Conv")}
    assert len(maps) == len(feature_map_sizes(shape))


@pytest.mark.parametrize(
    ("shape", "g_count", "d_count"),
    [((28, 28, 1), 1_071_169, 660_929), ((64, 64, 3), 3_585_347, 2_764_737)],
)
def test_dcgan_models_have_the_documented_parameter_counts(shape, g_count, d_count):
    z = jnp.zeros((2, 100))
    g = jax.eval_shape(partial(DCGANGenerator(shape).init, train=True), jax.random.key(0), z)
    assert count_parameters(g) == g_count
    assert count_parameters(trace_discriminator(shape, width=64)[1]) == d_count


def test_dcgan_generator_of_width_128_has_the_channels_of_the_paper():
    params = trace_generator((64, 64, 3), width=128)[1]["params"]
    kernels = [params[f"ConvTranspose_{i}"]["kernel"].shape for i in range(4)]
    assert params["Dense_0"]["kernel"].shape == (LATENT_DIM, 4 * 4 * 1024)
    assert kernels == [(4, 4, 1024, 512), (4, 4, 512, 256), (4, 4, 256, 128), (4, 4, 128, 3)]


def test_dcgan_width_is_capped_at_eight_times_in_the_small_maps():
    params = trace_discriminator((256, 256, 3))[1]["params"]
    features = [params[f"Conv_{i}"]["kernel"].shape[-1] // WIDTH for i in range(6)]
    assert features == [1, 2, 4, 8, 8, 8]


def test_dcgan_discriminator_normalizes_all_but_the_first_convolution():
    for options in ({}, {"spectral_norm": True}):
        _, variables = trace_discriminator((28, 28, 1), **options)
        assert not any(name.startswith("BatchNorm") for name in variables["params"])
    variables = trace_discriminator((28, 28, 1), batch_norm=True)[1]
    means = {name: stats["mean"].shape for name, stats in variables["batch_stats"].items()}
    assert means == {"BatchNorm_0": (2 * WIDTH,), "BatchNorm_1": (4 * WIDTH,)}


@pytest.mark.parametrize(
    "shape",
    [(7, 8, 1), (8, 7, 1), (257, 64, 3), (64, 257, 3), (28, 28, 0), (28, 28, 5), (28, 28), (784,)],
)
def test_dcgan_models_refuse_shapes_out_of_range(shape):
    message = r"expected \[H, W, C\] with sides of 8 to 256 pixels and 1 to 4 channels; resize"
    with pytest.raises(ShapeError, match=message):
        trace_generator(shape)
    with pytest.raises(ShapeError, match=message):
        trace_discriminator(shape)


@pytest.mark.parametrize("shape", [(9, 12, 3), (8, 8, 1)])
@pytest.mark.parametrize("dtype", [jnp.float32, jnp.bfloat16])
def test_dcgan_models_compute_in_the_given_dtype_and_range(shape, dtype):
    options = {"width": WIDTH, "dtype": dtype}
    z = jax.random.normal(jax.random.key(1), (3, LATENT_DIM))
    init = jax.jit(partial(DCGANGenerator(shape, **options).init_with_output, train=True))
    images, g = init(jax.random.key(0), z)
    assert (images.shape, images.dtype) == ((3, *shape), dtype)
    images = images.astype(jnp.float32)
    assert 0 < float(jnp.abs(images).max()) <= 1
    assert float(images.std(0).min()) > 0  # every pixel, also at the border, depends on z
    init = jax.jit(partial(DCGANDiscriminator(**options).init_with_output, train=True))
    logits, d = init(jax.random.key(0), images)
    assert (logits.shape, logits.dtype) == ((3,), dtype)
    dtypes = {v.dtype for v in traverse_util.flatten_dict({"g": g, "d": d}).values()}
    assert dtypes == {jnp.dtype(jnp.float32)}


def test_dcgan_discriminator_depends_on_every_pixel():
    images = jax.random.uniform(jax.random.key(1), (1, 9, 13, 2), jnp.float32, -1, 1)
    model = DCGANDiscriminator(width=WIDTH)
    variables = jax.jit(partial(model.init, train=True))(jax.random.key(0), images)
    grad_fn = jax.jit(jax.grad(lambda x: model.apply(variables, x, train=False).sum()))
    assert float(jnp.abs(grad_fn(images)).min()) > 0


def test_dcgan_discriminator_with_spectral_norm_is_1_lipschitz_per_layer():
    images = jnp.zeros((1, 8, 8, 1))
    model = DCGANDiscriminator(width=WIDTH, spectral_norm=True)
    variables = model.init(jax.random.key(0), images, train=True)
    apply = jax.jit(partial(model.apply, train=True, mutable=["batch_stats"]))
    for _ in range(20):  # converges the power iteration
        _, stats = apply(variables, images)
        variables = {**variables, **stats}
    sigmas = [v for k, v in traverse_util.flatten_dict(stats, sep="/").items() if "sigma" in k]
    kernels = [layer["kernel"] for layer in variables["params"].values() if "kernel" in layer]
    norms = [np.linalg.norm(np.asarray(k).reshape(-1, k.shape[-1]), 2) for k in kernels]
    assert len(norms) == 2
    np.testing.assert_allclose(sorted(map(float, sigmas)), sorted(norms), rtol=1e-3)


@pytest.mark.parametrize(
    ("options", "penalty"),
    [
        ({"batch_norm": True}, None),
        ({"spectral_norm": True}, None),
        pytest.param({}, penalties.subsample(penalties.r1(1.0), 2), marks=pytest.mark.stress),
        pytest.param({}, penalties.gradient_penalty(), marks=pytest.mark.stress),
    ],
    ids=["batch_norm", "spectral_norm", "r1", "gradient_penalty"],
)
def test_dcgan_models_train_with(options, penalty):
    real = jax.random.uniform(jax.random.key(1), (4, 9, 12, 3), jnp.float32, -1, 1)
    gan = make_gan(
        generator=DCGANGenerator((9, 12, 3), width=WIDTH),
        discriminator=DCGANDiscriminator(width=WIDTH, **options),
        loss=losses.non_saturating,
        d_tx=optimizers.adam(1e-3),
        g_tx=optimizers.adam(1e-3),
        prior=priors.uniform(LATENT_DIM),
        penalty=penalty,
    )
    state = gan.init(jax.random.key(0), real)
    after, metrics = gan.step(state, real, jax.random.key(2))
    assert bool(metrics["d"]["finite"] & metrics["g"]["finite"])
    for old, new in ((state.d, after.d), (state.g, after.g)):
        kernels = traverse_util.flatten_dict(jax.tree.map(jnp.array_equal, old.params, new.params))
        assert not any(bool(same) for path, same in kernels.items() if path[-1] == "kernel")
    assert jax.tree.structure(after) == jax.tree.structure(state)
