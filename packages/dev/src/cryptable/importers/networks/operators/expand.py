"""Expand: elements repeated along new or short axes."""

from cryptable.importers.networks.operators.registry import structural

structural("Expand", data=1)
