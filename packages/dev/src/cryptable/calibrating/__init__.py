"""Measures a machine, so that prices become seconds."""
