"""Transpose: axes in another order."""

from cryptable.networks.operators.registry import structural

structural("Transpose", data=1)
