"""AveragePool: means over windows."""

from cryptable.networks.operators.registry import linear

linear("AveragePool")
