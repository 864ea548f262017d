"""ReduceMean: means along axes."""

from cryptable.importers.networks.operators.registry import linear

linear("ReduceMean")
