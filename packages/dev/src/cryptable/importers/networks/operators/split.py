"""Split: a tensor cut along an axis."""

from cryptable.importers.networks.operators.registry import structural

structural("Split", data=1)
