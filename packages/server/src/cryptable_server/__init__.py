"""A gRPC server that evaluates machine-learning models on encrypted data."""

import os

# Else gRPC's native part, which reads this when it is loaded, logs a line for whoever connects and speaks no TLS.
os.environ.setdefault("GRPC_VERBOSITY", "ERROR")

__version__ = "0.1.0"
