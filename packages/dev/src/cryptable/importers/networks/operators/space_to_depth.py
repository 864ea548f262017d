"""SpaceToDepth: pixels become channels."""

from cryptable.importers.networks.operators.registry import structural

structural("SpaceToDepth", data=1)
