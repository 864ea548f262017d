"""Squeeze: axes of one element are left out."""

from cryptable.importers.networks.operators.registry import structural

structural("Squeeze", data=1)
