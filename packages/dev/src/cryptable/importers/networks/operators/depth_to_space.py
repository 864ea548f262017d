"""DepthToSpace: channels become pixels."""

from cryptable.importers.networks.operators.registry import structural

structural("DepthToSpace", data=1)
