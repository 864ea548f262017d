"""SpaceToDepth: pixels become channels."""

from cryptable.networks.operators.registry import structural

structural("SpaceToDepth", data=1)
