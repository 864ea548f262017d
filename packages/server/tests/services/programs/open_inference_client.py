"""The Open Inference Protocol's public Python client, with nothing of ours. Prints what it learns, as JSON.

python open_inference_client.py HOST:PORT MODEL ROW, where ROW is a file with the one element of the input
"""

import importlib.abc
import json
import struct
import sys
from pathlib import Path


class NothingOfOurs(importlib.abc.MetaPathFinder):
    """Makes importing our packages impossible."""

    def find_spec(self, name, path=None, target=None):
        if name.startswith("cryptable"):
            raise ModuleNotFoundError(f"{name} is not for this client", name=name)
        return


sys.meta_path.insert(0, NothingOfOurs())

import grpc  # noqa: E402 - after importing ours has become impossible
from google.protobuf import descriptor_pb2  # noqa: E402
from google.protobuf.json_format import MessageToDict  # noqa: E402
from open_inference.grpc import protocol as pb  # noqa: E402
from open_inference.grpc.service import GRPCInferenceServiceStub  # noqa: E402

address, name, file = sys.argv[1:]
row = Path(file).read_bytes()
Tensor = pb.ModelInferRequest.InferInputTensor


def tensor(*elements, **changes):
    fields = {"name": "row", "datatype": "BYTES", "shape": [1]}
    if elements:
        fields["contents"] = pb.InferTensorContents(bytes_contents=elements)
    return Tensor(**{**fields, **changes})


def refusal(**fields):
    """How a request ends that is not as it should be."""
    try:
        stub.ModelInfer(pb.ModelInferRequest(**{"model_name": name, **fields}), timeout=60)
    except grpc.RpcError as error:
        return error.code().name, error.details()
    return "OK", ""


with grpc.insecure_channel(address) as channel:
    stub = GRPCInferenceServiceStub(channel)
    server = stub.ServerMetadata(pb.ServerMetadataRequest(), timeout=60)
    model = stub.ModelMetadata(pb.ModelMetadataRequest(name=name), timeout=60)
    ready = [
        stub.ServerLive(pb.ServerLiveRequest(), timeout=60).live,
        stub.ServerReady(pb.ServerReadyRequest(), timeout=60).ready,
        stub.ModelReady(pb.ModelReadyRequest(name=name), timeout=60).ready,
        stub.ModelReady(pb.ModelReadyRequest(name=name, version=model.versions[0]), timeout=60).ready,
    ]
    request = pb.ModelInferRequest(model_name=name, id="first", inputs=[tensor(row)])
    plain = stub.ModelInfer(request, timeout=60)
    framed = struct.pack("<I", len(row)) + row
    request = pb.ModelInferRequest(
        model_name=name,
        model_version=model.versions[0],
        inputs=[tensor()],
        outputs=[pb.ModelInferRequest.InferRequestedOutputTensor(name="answer")],
        raw_input_contents=[framed],
    )
    raw = stub.ModelInfer(request, timeout=60)
    requested = pb.ModelInferRequest.InferRequestedOutputTensor
    refusals = {
        "no input": refusal(),
        "another name": refusal(inputs=[tensor(row, name="x")]),
        "another type": refusal(inputs=[tensor(row, datatype="FP32")]),
        "another shape": refusal(inputs=[tensor(row, row, shape=[2])]),
        "two elements": refusal(inputs=[tensor(row, row)]),
        "another output": refusal(inputs=[tensor(row)], outputs=[requested(name="x")]),
        "both": refusal(inputs=[tensor(row)], raw_input_contents=[framed]),
        "cut": refusal(inputs=[tensor()], raw_input_contents=[framed[:-1]]),
        "nonsense": refusal(inputs=[tensor(b"\xff")]),
        "another model": refusal(model_name="linear", inputs=[tensor(row)]),
        "no such model": refusal(model_name="none", inputs=[tensor(row)]),
        "no such version": refusal(model_version="9", inputs=[tensor(row)]),
    }

described = descriptor_pb2.FileDescriptorProto()
pb.DESCRIPTOR.CopyToProto(described)
json.dump(
    {
        "server": server.name,
        "model": MessageToDict(model, preserving_proto_field_name=True),
        "ready": ready,
        "plain": MessageToDict(plain, preserving_proto_field_name=True),
        "plain answer": plain.outputs[0].contents.bytes_contents[0].hex(),
        "raw answer": raw.raw_output_contents[0][4:].hex(),
        "raw length": struct.unpack("<I", raw.raw_output_contents[0][:4])[0],
        "refusals": refusals,
        "described": described.SerializeToString().hex(),
    },
    sys.stdout,
)
