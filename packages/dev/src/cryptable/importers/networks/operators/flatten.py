"""Flatten: all axes from one on become one."""

from cryptable.importers.networks.operators.registry import structural

structural("Flatten", data=1)
