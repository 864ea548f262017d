"""GlobalAveragePool: means over all pixels of a channel."""

from cryptable.importers.networks.operators.registry import linear

linear("GlobalAveragePool")
