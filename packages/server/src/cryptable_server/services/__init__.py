"""The gRPC services, on models, keys and an executor."""
