"""`make_gan`, which builds the pure functions of a GAN, and their container `GAN`."""

from jaxgan.gan.factory import make_gan
from jaxgan.gan.interface import GAN, FieldTransform, jit_steps

__all__ = ["GAN", "FieldTransform", "jit_steps", "make_gan"]
