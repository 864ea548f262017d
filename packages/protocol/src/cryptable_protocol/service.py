"""The gRPC service: stub, servicer base and registration. Needs grpcio, so only what speaks gRPC imports it."""

from cryptable_protocol._generated.cryptable.v1.inference_pb2_grpc import (
    InferenceServicer,
    InferenceStub,
    add_InferenceServicer_to_server,
)

SERVICE_NAME = "cryptable.v1.Inference"

__all__ = ["SERVICE_NAME", "InferenceServicer", "InferenceStub", "add_InferenceServicer_to_server"]
