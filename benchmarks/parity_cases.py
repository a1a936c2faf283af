"""The cases of the numerical comparison with PyTorch: their inputs, and how results are compared.

Needs only NumPy, so that PyTorch and JAX need not be installed in the same environment. Parameters
have the names and layouts of the Flax networks. All inputs are float32, even if the computation is
in float64, because the package draws its latent noise and data in float32.
"""

import math
import zlib
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import numpy as np

STEPS = 10
NUM_PROJECTIONS = 8


class Case(NamedTuple):
    """A system and the shape of its train step.

    Attributes:
      d: Layers of the discriminator in forward order, with the shapes of their kernels or scales.
      g: Layers of the generator, likewise.
      shape: Shape of a sample.
      batch_size: Real samples per discriminator update, B.
      prior: Distribution of z: uniform on [-1, 1), or standard normal.
      latent_dim: Dimension of the latent vector z.
      latent_batches: Batches of z per train step. The i-th update of the discriminator uses the
        i-th batch, the update of the generator uses the last.
      d_steps: Discriminator updates per train step.
    """

    d: dict[str, tuple[int, ...]]
    g: dict[str, tuple[int, ...]]
    shape: tuple[int, ...]
    batch_size: int
    prior: Literal["uniform", "normal"]
    latent_dim: int
    latent_batches: int
    d_steps: int


class Inputs(NamedTuple):
    """The initial parameters of a case, and the inputs of its train steps.

    Attributes:
      params: `{"d" or "g": {layer: {"kernel" or "scale": array, "bias": array}}}`, with the layers
        in forward order.
      real: Real batches, `[STEPS, d_steps, B, *shape]`.
      z: Latent noise, `[STEPS, latent_batches, B, latent_dim]`.
      interp_weights: `[STEPS, d_steps, B]` in [0, 1); the points of a gradient penalty, from real
        (0) to generated (1).
    """

    params: dict[str, dict[str, dict[str, np.ndarray]]]
    real: np.ndarray
    z: np.ndarray
    interp_weights: np.ndarray


def dense_layers(*widths: int) -> dict[str, tuple[int, ...]]:
    """Returns the dense layers of an MLP with these widths, input and output included."""
    return {f"Dense_{i}": shape for i, shape in enumerate(pairwise(widths))}


CONV_D = {
    "Conv_0": (5, 5, 1, 32),
    "Conv_1": (5, 5, 32, 64),
    "Dense_0": (4 * 4 * 64, 1024),
    "Dense_1": (1024, 1),
}
CONV_G = {
    "Dense_0": (100, 1024),
    "BatchNorm_0": (1024,),
    "Dense_1": (1024, 7 * 7 * 128),
    "BatchNorm_1": (7 * 7 * 128,),
    "ConvTranspose_0": (4, 4, 128, 64),
    "BatchNorm_2": (64,),
    "ConvTranspose_1": (4, 4, 64, 1),
}
MLP = dense_layers(784, 256, 256, 1), dense_layers(100, 256, 256, 784), (28, 28, 1)
CASES = {
    "mnist_mlp_bce": Case(
        *MLP, batch_size=60, prior="normal", latent_dim=100, latent_batches=2, d_steps=1
    ),
    "mnist_mlp": Case(
        *MLP, batch_size=128, prior="uniform", latent_dim=100, latent_batches=1, d_steps=1
    ),
    "mnist_cnn": Case(
        CONV_D,
        CONV_G,
        (28, 28, 1),
        batch_size=16,
        prior="uniform",
        latent_dim=100,
        latent_batches=1,
        d_steps=1,
    ),
    "parabola": Case(
        dense_layers(15, 128, 1),
        dense_layers(5, 128, 15),
        (15,),
        batch_size=64,
        prior="normal",
        latent_dim=5,
        latent_batches=1,
        d_steps=1,
    ),
    "mnist_wgan_clip": Case(
        *MLP, batch_size=64, prior="uniform", latent_dim=100, latent_batches=6, d_steps=5
    ),
    "mnist_wgan_gradient_penalty": Case(
        *MLP, batch_size=64, prior="uniform", latent_dim=100, latent_batches=6, d_steps=5
    ),
}


def draw_inputs(name: str) -> Inputs:
    """Returns the inputs of a case, drawn with a seed derived from its name."""
    case, rng = CASES[name], np.random.default_rng(zlib.crc32(name.encode()))
    params = {
        network: {layer: draw_layer(rng, layer, shape) for layer, shape in layers.items()}
        for network, layers in (("d", case.d), ("g", case.g))
    }
    batch_shape = (STEPS, case.d_steps, case.batch_size)
    if name == "parabola":
        a = rng.uniform(1, 2, (*batch_shape, 1))
        real = a * np.linspace(-1, 1, 15) ** 2 + (a - 1)
    else:
        real = rng.uniform(-1, 1, (*batch_shape, *case.shape))
    z_shape = (STEPS, case.latent_batches, case.batch_size, case.latent_dim)
    if case.prior == "normal":
        z = rng.standard_normal(z_shape)
    else:
        z = 2 * rng.random(z_shape, np.float32) - 1
    interp_weights = rng.random(batch_shape, np.float32)
    return Inputs(params, real.astype(np.float32), z.astype(np.float32), interp_weights)


def draw_layer(
    rng: np.random.Generator, layer: str, shape: tuple[int, ...]
) -> dict[str, np.ndarray]:
    """Draws the parameters of a layer from PyTorch's default initialization.

    Only the scales and biases of batch normalization are drawn at random instead, because equal
    values could hide a wrong order. For the fan-in of a transposed convolution PyTorch multiplies
    the window size by the number of output features.
    """
    if layer.startswith("BatchNorm"):
        scale, bias = rng.uniform(0.5, 1.5, shape), rng.uniform(-0.5, 0.5, shape)
        return {"scale": scale.astype(np.float32), "bias": bias.astype(np.float32)}
    fan_in = math.prod(shape[:-2]) * shape[-1 if layer.startswith("ConvTranspose") else -2]
    kernel, bias = (
        rng.uniform(-(fan_in**-0.5), fan_in**-0.5, s).astype(np.float32)
        for s in (shape, shape[-1:])
    )
    return {"kernel": kernel, "bias": bias}


def flatten_params(params: dict[str, Any]) -> dict[str, Any]:
    """Flattens nested parameters to `{"d/Dense_0/kernel": array, …}`."""
    return {
        f"{network}/{layer}/{name}": x
        for network, layers in params.items()
        for layer, arrays in layers.items()
        for name, x in arrays.items()
    }


def checksum_inputs(inputs: Inputs) -> int:
    """Returns a CRC-32 of all inputs, to verify that both frameworks are given the same."""
    value = 0
    for x in (*flatten_params(inputs.params).values(), *inputs[1:]):
        value = zlib.crc32(x.tobytes(), value)
    return value


def sketch_array(path: str, x: np.ndarray) -> list[float]:
    """Summarizes an array by its norm and by random projections of it.

    For a vector s of random signs, (s·x)² has the expectation ‖x‖². Two sketches therefore give an
    estimate of the distance of their arrays; see `estimate_distance`.

    Args:
      path: Path of the array, which seeds the random signs.
      x: The array.

    Returns:
      `[1 + NUM_PROJECTIONS]`: the Euclidean norm, then the inner products with vectors of signs.
    """
    flat = np.asarray(x, np.float64).ravel()
    rng = np.random.default_rng(zlib.crc32(path.encode()))
    bits = rng.integers(256, size=flat.size, dtype=np.uint8)  # bit i has the signs of vector i
    projections = [float(flat @ (2.0 * (bits >> i & 1) - 1)) for i in range(NUM_PROJECTIONS)]
    return [float(np.linalg.norm(flat)), *projections]


def estimate_distance(ours: list[float], theirs: list[float]) -> float:
    """Estimates ‖a - b‖ / ‖b‖ from the sketches of two arrays a and b.

    The estimate of the squared distance is unbiased. For about one array in a thousand the
    estimate is below a third of the true distance.
    """
    return float(np.sqrt(np.mean(np.subtract(ours[1:], theirs[1:]) ** 2)) / theirs[0])
