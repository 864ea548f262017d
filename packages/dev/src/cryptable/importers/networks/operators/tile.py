"""Tile: a tensor repeated along its axes."""

from cryptable.importers.networks.operators.registry import structural

structural("Tile", data=1)
