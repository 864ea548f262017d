"""Trilu: one triangle of each matrix."""

from cryptable.importers.networks.operators.registry import linear

linear("Trilu")
