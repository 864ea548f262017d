"""Concat: tensors joined along an axis."""

from cryptable.networks.operators.registry import structural

structural("Concat", data=None)
