"""ReduceMean: means along axes."""

from cryptable.networks.operators.registry import linear

linear("ReduceMean")
