"""Operators of ONNX: those that are not plainly elementwise have a module each, found by a walk over this package."""
