"""A gRPC server that evaluates machine-learning models on encrypted data."""

__version__ = "0.1.0"
