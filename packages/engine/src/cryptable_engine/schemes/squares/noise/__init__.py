"""Bounds of noise, over all honest rows (docs/decisions/0030, "Noise")."""
