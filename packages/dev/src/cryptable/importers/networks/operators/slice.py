"""Slice: ranges along axes."""

from cryptable.importers.networks.operators.registry import structural

structural("Slice", data=1)
