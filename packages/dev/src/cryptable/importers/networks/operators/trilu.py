"""Trilu: one triangle of each matrix."""

from cryptable.networks.operators.registry import linear

linear("Trilu")
