"""The cases of the comparison with PyTorch: what they start from, and how their ends are compared.

Needs numpy alone, so that PyTorch and JAX need not be in one environment. Parameters have the names and the layout of
the Flax networks. All numbers are float32, also where the computation is in float64, as the package's noise and data
are.
"""

import math
import zlib
from itertools import pairwise
from typing import Any, Literal, NamedTuple

import numpy as np

STEPS = 10
PROJECTIONS = 8


class Case(NamedTuple):
    """A system, and the size of its train step.

    Attributes:
      d: the layers of the discriminator as data pass them, with the shape of their kernel or scale.
      g: those of the generator.
      shape: of a sample.
      batch: B.
      noise: its distribution: uniform on [-1, 1), or normal with variance 1.
      dim: how many numbers a sample is made of.
      draws: noises of a train step. The discriminator's i-th update plays the i-th, the generator's update the last.
      d_steps: updates of the discriminator a train step.
    """

    d: dict[str, tuple[int, ...]]
    g: dict[str, tuple[int, ...]]
    shape: tuple[int, ...]
    batch: int
    noise: Literal["uniform", "normal"]
    dim: int
    draws: int
    d_steps: int


class Inputs(NamedTuple):
    """What a case starts from and is fed.

    Attributes:
      params: `{"d" or "g": {layer: {"kernel" or "scale": array, "bias": array}}}`, layers as data pass them.
      real: `[STEPS, d_steps, B, *shape]`.
      noise: `[STEPS, draws, B, dim]`.
      shares: `[STEPS, d_steps, B]`, where between the real (0) and the generated sample (1) a penalty is measured.
    """

    params: dict[str, dict[str, dict[str, np.ndarray]]]
    real: np.ndarray
    noise: np.ndarray
    shares: np.ndarray


def perceptron(*widths: int) -> dict[str, tuple[int, ...]]:
    """The dense layers between so many units."""
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
MLP = perceptron(784, 256, 256, 1), perceptron(100, 256, 256, 784), (28, 28, 1)
CASES = {
    "mnist_mlp_bce": Case(*MLP, batch=60, noise="normal", dim=100, draws=2, d_steps=1),
    "mnist_mlp": Case(*MLP, batch=128, noise="uniform", dim=100, draws=1, d_steps=1),
    "mnist_cnn": Case(
        CONV_D, CONV_G, (28, 28, 1), batch=16, noise="uniform", dim=100, draws=1, d_steps=1
    ),
    "parabola": Case(
        perceptron(15, 128, 1),
        perceptron(5, 128, 15),
        (15,),
        batch=64,
        noise="normal",
        dim=5,
        draws=1,
        d_steps=1,
    ),
    "mnist_wgan_clip": Case(*MLP, batch=64, noise="uniform", dim=100, draws=6, d_steps=5),
    "mnist_wgan_gradient_penalty": Case(
        *MLP, batch=64, noise="uniform", dim=100, draws=6, d_steps=5
    ),
}


def draw(name: str) -> Inputs:
    """The inputs of a case, the same whenever it is asked."""
    case, rng = CASES[name], np.random.default_rng(zlib.crc32(name.encode()))
    params = {
        player: {layer: draw_layer(rng, layer, shape) for layer, shape in layers.items()}
        for player, layers in (("d", case.d), ("g", case.g))
    }
    batches = (STEPS, case.d_steps, case.batch)
    if name == "parabola":
        a = rng.uniform(1, 2, (*batches, 1))
        real = a * np.linspace(-1, 1, 15) ** 2 + (a - 1)
    else:
        real = rng.uniform(-1, 1, (*batches, *case.shape))
    noises = (STEPS, case.draws, case.batch, case.dim)
    noise = (
        rng.standard_normal(noises)
        if case.noise == "normal"
        else 2 * rng.random(noises, np.float32) - 1
    )
    return Inputs(
        params, real.astype(np.float32), noise.astype(np.float32), rng.random(batches, np.float32)
    )


def draw_layer(
    rng: np.random.Generator, layer: str, shape: tuple[int, ...]
) -> dict[str, np.ndarray]:
    """The parameters of a layer as PyTorch would start them, except that scales and biases of norms differ too.

    PyTorch counts a transposed convolution's fan-in as features times window.
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


def flatten(params: dict[str, Any]) -> dict[str, Any]:
    """`{"d/Dense_0/kernel": array, …}`."""
    return {
        f"{player}/{layer}/{part}": x
        for player, layers in params.items()
        for layer, parts in layers.items()
        for part, x in parts.items()
    }


def checksum(inputs: Inputs) -> int:
    """Tells whether these are the numbers that PyTorch was given."""
    value = 0
    for x in (*flatten(inputs.params).values(), *inputs[1:]):
        value = zlib.crc32(x.tobytes(), value)
    return value


def sketch(path: str, x: np.ndarray) -> list[float]:
    """An array in few numbers: its Euclidean norm, and its products with vectors of random signs, chosen by the path.

    For a vector s of random signs, (s·x)² is ‖x‖² in the mean. So two sketches tell how far apart their arrays are:
    see `distance`.
    """
    flat = np.asarray(x, np.float64).ravel()
    bits = np.random.default_rng(zlib.crc32(path.encode())).integers(
        256, size=flat.size, dtype=np.uint8
    )
    products = [float(flat @ (2.0 * (bits >> i & 1) - 1)) for i in range(PROJECTIONS)]
    return [float(np.linalg.norm(flat)), *products]


def distance(ours: list[float], theirs: list[float]) -> float:
    """‖a - b‖ / ‖b‖ of two sketched arrays; its square is estimated without bias, from the products.

    The estimate is below a third of the truth for about one array in a thousand.
    """
    return float(np.sqrt(np.mean(np.subtract(ours[1:], theirs[1:]) ** 2)) / theirs[0])
