"""Unsqueeze: axes of one element are put in."""

from cryptable.networks.operators.registry import structural

structural("Unsqueeze", data=1)
