"""Unsqueeze: axes of one element are put in."""

from cryptable.importers.networks.operators.registry import structural

structural("Unsqueeze", data=1)
