"""A caller that has no client package: the generated stub lists a server's models."""

import sys

import grpc
from cryptable_protocol import messages
from cryptable_protocol.service import InferenceStub

with grpc.insecure_channel(sys.argv[1]) as channel:
    listed = InferenceStub(channel).ListModels(messages.inference.ListModelsRequest(), timeout=60)
assert [model.name for model in listed.models] == ["count"]
