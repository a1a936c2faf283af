"""The DCGAN of Lin et al. 2018 (PacGAN) for stacked 28x28 images, with a packed discriminator.

Kernels are initialized from N(0, 0.02²), biases with 0.
"""

import math

import jax
import jax.numpy as jnp
from flax import linen as nn

from jaxgan.models.fast_conv import fast_conv_general_dilated
from jaxgan.models.layers import ConvTranspose

KERNEL_SIZE = (5, 5)
KERNEL_INIT = nn.initializers.normal(0.02)
# Sides of the generator's feature maps, from the projection of z to the image, and the channels of
# all but the image, in units of width. The discriminator has the same maps in reverse order.
MAP_SIDES = (2, 4, 7, 14, 28)
WIDTH_FACTORS = (8, 4, 2, 1)


class PacDCGANGenerator(nn.Module):
    """Generator of 28x28 images, with transposed convolutions, BatchNorm and ReLU.

    Maps `z [B, latent_dim]` to `x [B, 28, 28, channels]` in [-1, 1]. It has 4,514,819 parameters
    for `latent_dim` = 100 and the defaults.

    Attributes:
      channels: Number of channels of the images.
      width: Number of channels of the largest feature map.
      dtype: Dtype of the computation; None promotes the dtypes of the input and the parameters.
      param_dtype: Dtype of the parameters.

    References:
      Lin et al. 2018, section 4.2; Radford et al. 2016, section 3.
    """

    channels: int = 3
    width: int = 64
    dtype: jax.typing.DTypeLike | None = None
    param_dtype: jax.typing.DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, z, *, train):
        """Projects z to feature maps of 2x2 pixels and doubles their sides up to the image's.

        BatchNorm uses the statistics of the batch if `train`, else the running averages.
        """
        dtypes = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        features = [self.width * factor for factor in WIDTH_FACTORS]
        x = nn.Dense(MAP_SIDES[0] ** 2 * features[0], kernel_init=KERNEL_INIT, **dtypes)(z)
        x = x.reshape(-1, MAP_SIDES[0], MAP_SIDES[0], features[0])
        for side, channels in zip(MAP_SIDES[1:], [*features[1:], self.channels], strict=True):
            norm = nn.BatchNorm(use_running_average=not train, momentum=0.9, **dtypes)
            upsample = ConvTranspose(
                channels, KERNEL_SIZE, (2, 2), kernel_init=KERNEL_INIT, **dtypes
            )
            x = upsample(nn.relu(norm(x)))[:, :side, :side]
        return jnp.tanh(x)


class PacDCGANDiscriminator(nn.Module):
    """Discriminator of 28x28 images that can classify packs of several images.

    Maps `x [B, 28, 28, C]` to `logits [B // pack]`, with strided convolutions, BatchNorm (except
    for the first layer) and leaky ReLU of slope 0.2. It has 4,310,401 parameters for three channels
    and the defaults.

    With `pack` above 1, the channels of consecutive images are concatenated, and the pack gets one
    logit. The discriminator can then recognize a lack of diversity within a pack. The last
    `B % pack` images, too few for a pack, are dropped; fewer than `pack` images have no logit,
    which is enough to initialize the parameters, but not to train.

    Attributes:
      pack: Number of images per logit. Above 1 no logit belongs to a single image, so penalties on
        the gradient with respect to an image are not available.
      width: Number of channels of the largest feature map.
      dtype: Dtype of the computation; None promotes the dtypes of the input and the parameters.
      param_dtype: Dtype of the parameters.

    References:
      Lin et al. 2018, sections 2 and 4.2.
    """

    pack: int = 1
    width: int = 64
    dtype: jax.typing.DTypeLike | None = None
    param_dtype: jax.typing.DTypeLike = jnp.float32

    @nn.compact
    def __call__(self, x, *, train):
        """Applies the convolutions and a dense output layer.

        BatchNorm uses the statistics of the batch if `train`, else the running averages.
        """
        dtypes = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        num_packs, (height, width, channels) = len(x) // self.pack, x.shape[1:]
        x = x[: num_packs * self.pack].reshape(num_packs, self.pack, height, width, channels)
        x = jnp.moveaxis(x, 1, -2).reshape(num_packs, height, width, self.pack * channels)
        for i, factor in enumerate(WIDTH_FACTORS[::-1]):
            x = nn.Conv(
                self.width * factor,
                KERNEL_SIZE,
                strides=2,
                kernel_init=KERNEL_INIT,
                conv_general_dilated_cls=lambda: fast_conv_general_dilated,
                **dtypes,
            )(x)
            if i > 0:
                x = nn.BatchNorm(use_running_average=not train, momentum=0.9, **dtypes)(x)
            x = nn.leaky_relu(x, 0.2)
        x = x.reshape(num_packs, math.prod(x.shape[1:]))
        return nn.Dense(1, kernel_init=KERNEL_INIT, **dtypes)(x).squeeze(-1)
