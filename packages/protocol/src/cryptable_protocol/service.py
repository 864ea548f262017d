"""The gRPC services: stubs, servicer base and registration. Needs grpcio, so only what speaks gRPC imports it."""

from cryptable_protocol._generated.cryptable.v1.admin_pb2_grpc import AdminStub
from cryptable_protocol._generated.cryptable.v1.inference_pb2_grpc import (
    InferenceServicer,
    InferenceStub,
    add_InferenceServicer_to_server,
)

SERVICE_NAME = "cryptable.v1.Inference"
ADMIN_SERVICE_NAME = "cryptable.v1.Admin"

__all__ = [
    "ADMIN_SERVICE_NAME",
    "SERVICE_NAME",
    "AdminStub",
    "InferenceServicer",
    "InferenceStub",
    "add_InferenceServicer_to_server",
]
