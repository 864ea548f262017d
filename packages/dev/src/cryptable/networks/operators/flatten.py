"""Flatten: all axes from one on become one."""

from cryptable.networks.operators.registry import structural

structural("Flatten", data=1)
