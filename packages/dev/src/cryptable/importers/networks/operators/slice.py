"""Slice: ranges along axes."""

from cryptable.networks.operators.registry import structural

structural("Slice", data=1)
