"""Networks, as Linen modules that take and return arrays of the data's own shape."""

from jaxgan.models.conv import ConvDiscriminator, ConvGenerator
from jaxgan.models.mixture import MixtureDiscriminator, MixtureGenerator
from jaxgan.models.mlp import MLPDiscriminator, MLPGenerator

__all__ = [
    "ConvDiscriminator",
    "ConvGenerator",
    "MLPDiscriminator",
    "MLPGenerator",
    "MixtureDiscriminator",
    "MixtureGenerator",
]
