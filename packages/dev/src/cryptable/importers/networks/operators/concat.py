"""Concat: tensors joined along an axis."""

from cryptable.importers.networks.operators.registry import structural

structural("Concat", data=None)
