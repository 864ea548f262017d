"""Gather: slices by constant indices."""

from cryptable.importers.networks.operators.registry import structural

structural("Gather", data=1)
