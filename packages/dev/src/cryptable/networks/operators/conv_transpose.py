"""ConvTranspose: the transpose of a convolution."""

from cryptable.networks.operators.registry import linear

linear("ConvTranspose")
