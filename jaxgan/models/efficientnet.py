"""EfficientNet-Lite0, a network for 1,000 classes of photographs, as a pure function.

Its batch normalizations are folded into the convolutions before them, so the parameters are the
kernel and the bias of each convolution and of the dense output layer.

References:
  Tan and Le 2019, EfficientNet, table 1. Lite0 has no squeeze-and-excitation, uses ReLU6 instead of
  swish, and keeps the widths of the first and the last convolution.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp

Params = dict[str, tuple[jax.typing.ArrayLike, jax.typing.ArrayLike]]


class Stage(NamedTuple):
    """A sequence of blocks, of which the first may change the resolution.

    Attributes:
      expansion: The depthwise convolution has this many times the channels of the input.
      features: Channels of the output.
      blocks: Number of blocks.
      stride: Stride of the first block.
      kernel_size: Height and width of the depthwise kernels.
    """

    expansion: int
    features: int
    blocks: int
    stride: int
    kernel_size: int


STAGES = (
    Stage(1, 16, 1, 1, 3),
    Stage(6, 24, 2, 2, 3),
    Stage(6, 40, 2, 2, 5),
    Stage(6, 80, 3, 2, 3),
    Stage(6, 112, 3, 1, 5),
    Stage(6, 192, 4, 2, 5),
    Stage(6, 320, 1, 1, 3),
)
NUM_FEATURES = 1_280


def efficientnet_lite0(params: Params, images: jax.Array) -> tuple[jax.Array, jax.Array]:
    """Applies the network.

    Args:
      params: `{layer: (kernel, bias)}`. Kernels of convolutions are `[H, W, in, out]`, and
        `[H, W, 1, channels]` of depthwise ones. The layers are `stem`, `head`, `classes` (dense,
        `[1280, 1000]`), and `BLOCK/expand`, `BLOCK/depthwise`, `BLOCK/project` for each block,
        counted from 0; the first block has no `expand`.
      images: `[B, H, W, 3]`, pixels (p - 127) / 128 with p from 0 to 255.

    Returns:
      Features `[B, 1280]`, the means of the last feature maps, and logits `[B, 1000]`.
    """
    x = relu6(convolve(images, *params["stem"], stride=2))
    block = 0
    for stage in STAGES:
        for i in range(stage.blocks):
            y = x
            if stage.expansion > 1:
                y = relu6(convolve(y, *params[f"{block}/expand"]))
            stride = 1 if i else stage.stride
            y = relu6(convolve_depthwise(y, *params[f"{block}/depthwise"], stride))
            y = convolve(y, *params[f"{block}/project"])
            x = x + y if i else y
            block += 1
    x = relu6(convolve(x, *params["head"]))
    features = jnp.mean(x, axis=(1, 2))
    kernel, bias = params["classes"]
    logits = jnp.matmul(features, kernel, precision="highest") + jnp.asarray(bias)[None]
    return features, logits


def relu6(x):
    """Clips to [0, 6]."""
    return jnp.clip(x, 0, 6)


def convolve(x, kernel, bias, stride=1):
    """Applies a convolution whose output has the size of the input divided by the stride."""
    x = jax.lax.conv_general_dilated(
        x,
        jnp.asarray(kernel),
        (stride, stride),
        "SAME",
        dimension_numbers=("NHWC", "HWIO", "NHWC"),
        precision="highest",
    )
    return x + jnp.asarray(bias)[None, None, None]


def convolve_depthwise(x, kernel, bias, stride):
    """Applies a convolution of each channel with its own kernel, `[H, W, 1, channels]`.

    It is a sum over the entries of the kernel, which XLA fuses into one loop. On CPUs this takes a
    fifth of the time of XLA's grouped convolution.
    """
    kernel = jnp.asarray(kernel)[:, :, 0]
    sizes, windows = x.shape[1:3], kernel.shape[:2]
    padding = jax.lax.padtype_to_pads(sizes, windows, (stride, stride), "SAME")
    x = jnp.pad(x, ((0, 0), *padding, (0, 0)))
    height, width = ((size - 1) // stride * stride + 1 for size in sizes)
    products = [
        x[:, i : i + height : stride, j : j + width : stride] * kernel[None, None, None, i, j]
        for i in range(windows[0])
        for j in range(windows[1])
    ]
    return sum(products) + jnp.asarray(bias)[None, None, None]
