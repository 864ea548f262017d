"""The generated protobuf modules, under the names that the packages use.

`cryptable_protocol.service`, the gRPC stubs, stands apart: it needs grpcio, which this package does not.
"""

from cryptable_protocol._generated.cryptable.v1 import admin_pb2 as admin
from cryptable_protocol._generated.cryptable.v1 import artifact_pb2 as artifact
from cryptable_protocol._generated.cryptable.v1 import circuit_pb2 as circuit
from cryptable_protocol._generated.cryptable.v1 import client_spec_pb2 as client_spec
from cryptable_protocol._generated.cryptable.v1 import inference_pb2 as inference
from cryptable_protocol._generated.cryptable.v1 import keys_pb2 as keys
from cryptable_protocol._generated.cryptable.v1 import tensor_pb2 as tensor

__all__ = ["admin", "artifact", "circuit", "client_spec", "inference", "keys", "tensor"]
