"""Compress: slices by a constant condition."""

from cryptable.importers.networks.operators.registry import structural

structural("Compress", data=1)
