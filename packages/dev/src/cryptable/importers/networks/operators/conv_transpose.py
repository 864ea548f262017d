"""ConvTranspose: the transpose of a convolution."""

from cryptable.importers.networks.operators.registry import linear

linear("ConvTranspose")
