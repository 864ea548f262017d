"""Transpose: axes in another order."""

from cryptable.importers.networks.operators.registry import structural

structural("Transpose", data=1)
