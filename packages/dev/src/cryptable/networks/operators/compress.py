"""Compress: slices by a constant condition."""

from cryptable.networks.operators.registry import structural

structural("Compress", data=1)
