"""Resize: images made larger or smaller, by any mode that is linear in the pixels."""

from cryptable.importers.networks.operators.registry import linear

linear("Resize")
