"""GatherElements: elements by constant indices along an axis."""

from cryptable.importers.networks.operators.registry import structural

structural("GatherElements", data=1)
