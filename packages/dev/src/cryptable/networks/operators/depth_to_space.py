"""DepthToSpace: channels become pixels."""

from cryptable.networks.operators.registry import structural

structural("DepthToSpace", data=1)
