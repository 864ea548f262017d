"""Reshape: the same elements in another shape."""

from cryptable.importers.networks.operators.registry import structural

structural("Reshape", data=1)
