"""Convolutional generator and discriminator for images of 8 to 256 pixels a side.

The networks follow the rules of Radford et al. 2016: strided convolutions instead of pooling, no
hidden dense layers, ReLU in the generator and leaky ReLU in the discriminator, tanh at the output.

The discriminator halves both sides of its feature maps, rounding up, while the smaller side is
above 4. The generator has feature maps of the same sizes in reverse order. The number of channels
is `width` in the largest feature map and doubles with each halving, up to 8 times `width`.

    images    feature maps                  channels, in units of width
    8x8       4x4                           1
    28x28     14x14, 7x7, 4x4               1, 2, 4
    64x64     32x32, 16x16, 8x8, 4x4        1, 2, 4, 8
    40x100    20x50, 10x25, 5x13, 3x7       1, 2, 4, 8
    256x256   128x128, 64x64, …, 4x4        1, 2, 4, 8, 8, 8

References:
  Radford et al. 2016, section 3 and figure 1.
"""

from collections.abc import Sequence
from functools import partial

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxgan.errors import ShapeError
from jaxgan.models.conditional import batch_norm, class_weights, output_logits
from jaxgan.models.layers import conv, conv_transpose, dense, spectral_norm

MIN_SIDE, MAX_SIDE, MAX_CHANNELS = 8, 256, 4
SMALLEST_MAP = 4
MAX_WIDTH_FACTOR = 8


class DCGANGenerator(nn.Module):
    """Generator of images, with transposed convolutions, BatchNorm and ReLU.

    Maps `z [B, latent_dim]` to `x [B, *shape]` in [-1, 1]. For `latent_dim` = 100 and the default
    width it has 1,071,169 parameters for 28x28x1 images and 3,585,347 for 64x64x3 images.

    Attributes:
      shape: `(H, W, C)`, the shape of one image.
      width: Number of channels of the largest feature map. With 128, the generator of 64x64x3
        images is that of Radford et al. 2016, figure 1, with 4x4 instead of 5x5 kernels.
      num_classes: Number of classes of the condition; None for a network without condition.
      dtype: Dtype of the computation; None promotes the dtypes of the input and the parameters.
      param_dtype: Dtype of the parameters.
    """

    shape: Sequence[int] = (64, 64, 3)
    width: int = 64
    num_classes: int | None = None
    dtype: jax.typing.DTypeLike | None = None
    param_dtype: jax.typing.DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, z, condition=None, *, train):
        """Projects z to the smallest feature map and doubles its sides up to the image's size.

        BatchNorm uses the statistics of the batch if `train`, else the running averages. Its scales
        and biases depend on the condition, if there is one.

        Raises:
          ShapeError: If `shape` is out of range.
        """
        dtypes = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        weights = class_weights(condition, self.num_classes, self.dtype)
        norm = partial(batch_norm, weights=weights, train=train, **dtypes)
        sizes = feature_map_sizes(self.shape)
        channels = feature_map_channels(self.width, len(sizes))
        height, width = sizes[-1]
        x = dense(z, height * width * channels[-1], **dtypes)
        x = nn.relu(norm(x.reshape(-1, height, width, channels[-1])))
        for size, features in zip(sizes[-2::-1], channels[-2::-1], strict=True):
            x = nn.relu(norm(upsample(x, features, size, **dtypes)))
        return jnp.tanh(upsample(x, self.shape[2], self.shape[:2], **dtypes))


class DCGANDiscriminator(nn.Module):
    """Discriminator of images, with strided convolutions and leaky ReLU of slope 0.2.

    Maps `x [B, H, W, C]` to `logits [B]`. With the defaults it has 660,929 parameters for 28x28x1
    images and 2,764,737 for 64x64x3 images.

    Attributes:
      width: Number of channels of the largest feature map.
      batch_norm: Whether the convolutions except the first have BatchNorm, as in Radford et al.
        2016. BatchNorm couples the images of a batch. Gradient penalties are computed with the
        running averages, so they would constrain a function that differs from the trained one. Do
        not combine `batch_norm` with penalties or with `spectral_norm`.
      spectral_norm: Whether all layers have spectral normalization.
      num_classes: Number of classes of the condition; None for a network without condition.
      dtype: Dtype of the computation; None promotes the dtypes of the input and the parameters.
      param_dtype: Dtype of the parameters.

    References:
      Miyato et al. 2018 (spectral normalization).
    """

    width: int = 64
    batch_norm: bool = False
    spectral_norm: bool = False
    num_classes: int | None = None
    dtype: jax.typing.DTypeLike | None = None
    param_dtype: jax.typing.DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x, condition=None, *, train):
        """Applies the convolutions and a dense output layer.

        BatchNorm uses the statistics of the batch if `train`, else the running averages. Spectral
        normalization updates its estimates if `train`. The condition, if there is one, enters the
        output layer by a projection.

        Raises:
          ShapeError: If the shape of the images is out of range.
        """
        options = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        weights = class_weights(condition, self.num_classes, self.dtype)
        norm = partial(batch_norm, weights=None, train=train, **options)
        if self.spectral_norm:
            options["apply"] = partial(spectral_norm, train=train)
        num_maps = len(feature_map_sizes(x.shape[1:]))
        for i, features in enumerate(feature_map_channels(self.width, num_maps)):
            # "SAME" rounds up: an odd side is padded by one more row at the end than at the start.
            x = conv(x, features, (4, 4), "SAME", strides=2, **options)
            if self.batch_norm and i > 0:
                x = norm(x)
            x = nn.leaky_relu(x, 0.2)
        return output_logits(x.reshape(len(x), -1), weights, **options)


def upsample(x, features, size, **options):
    """Doubles both sides of feature maps by a transposed convolution and crops them to `size`.

    The geometry is that of the discriminator's convolution in reverse: the last row or column is
    dropped if the side is odd.

    Args:
      x: `[B, h, w, F]`.
      features: Number of output channels.
      size: `(H, W)`, with h = ceil(H / 2) and w = ceil(W / 2).
      **options: Passed to `conv_transpose`.

    Returns:
      `[B, H, W, features]`.
    """
    x = conv_transpose(x, features, (4, 4), (2, 2), **options)
    return x[:, : size[0], : size[1]]


def feature_map_sizes(shape: Sequence[int]) -> list[tuple[int, int]]:
    """Returns the sizes `(h, w)` of the discriminator's feature maps, the largest first.

    Args:
      shape: `(H, W, C)`, the shape of one image.

    Raises:
      ShapeError: If it is out of range.
    """
    in_range = (
        len(shape) == 3
        and all(MIN_SIDE <= side <= MAX_SIDE for side in shape[:2])
        and 1 <= shape[2] <= MAX_CHANNELS
    )
    if not in_range:
        raise ShapeError(
            f"the images have shape {list(shape)}, expected [H, W, C] with sides of {MIN_SIDE} to "
            f"{MAX_SIDE} pixels and 1 to {MAX_CHANNELS} channels; resize the images"
        )
    height, width = shape[:2]
    sizes = []
    while min(height, width) > SMALLEST_MAP:
        height, width = -(-height // 2), -(-width // 2)
        sizes.append((height, width))
    return sizes


def feature_map_channels(width: int, num_maps: int) -> list[int]:
    """Returns the channels of the discriminator's feature maps, the largest map first."""
    return [width * min(2**i, MAX_WIDTH_FACTOR) for i in range(num_maps)]
