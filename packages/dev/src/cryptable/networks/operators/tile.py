"""Tile: a tensor repeated along its axes."""

from cryptable.networks.operators.registry import structural

structural("Tile", data=1)
