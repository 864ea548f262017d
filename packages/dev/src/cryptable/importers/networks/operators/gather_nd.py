"""GatherND: slices by constant multi-dimensional indices."""

from cryptable.importers.networks.operators.registry import structural

structural("GatherND", data=1)
