"""Scaler, of ONNX' operators for machine learning: what skl2onnx makes of scalers before a network."""

from cryptable.importers.networks.operators.registry import linear

linear("Scaler", domain="ai.onnx.ml")
