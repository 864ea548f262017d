"""The messages of the Open Inference Protocol, for servers that answer it.

Apart from `messages`: their names are a public standard's, and no process can have these and another library's of it.
"""

from cryptable_protocol._generated.open_inference import grpc_predict_pb2 as pb

SERVICE_NAME = "inference.GRPCInferenceService"

__all__ = ["SERVICE_NAME", "pb"]
