"""Gather: slices by constant indices."""

from cryptable.networks.operators.registry import structural

structural("Gather", data=1)
