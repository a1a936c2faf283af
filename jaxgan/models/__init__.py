"""Generators, discriminators and a classifier as Linen modules on arrays of the data's shape."""

from jaxgan.models.classifier import Classifier
from jaxgan.models.conv import ConvDiscriminator, ConvGenerator
from jaxgan.models.dcgan import DCGANDiscriminator, DCGANGenerator
from jaxgan.models.dirac import DiracDiscriminator, DiracGenerator
from jaxgan.models.mixture import MixtureDiscriminator, MixtureGenerator
from jaxgan.models.mlp import MLPDiscriminator, MLPGenerator
from jaxgan.models.pacgan import PacDCGANDiscriminator, PacDCGANGenerator

__all__ = [
    "Classifier",
    "ConvDiscriminator",
    "ConvGenerator",
    "DCGANDiscriminator",
    "DCGANGenerator",
    "DiracDiscriminator",
    "DiracGenerator",
    "MLPDiscriminator",
    "MLPGenerator",
    "MixtureDiscriminator",
    "MixtureGenerator",
    "PacDCGANDiscriminator",
    "PacDCGANGenerator",
]
