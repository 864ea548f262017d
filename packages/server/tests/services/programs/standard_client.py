"""A gRPC client with nothing of ours: grpcio, protobuf and server reflection. Prints what it learns, as JSON.

python standard_client.py HOST:PORT MODEL
"""

import importlib.abc
import json
import sys


class NothingOfOurs(importlib.abc.MetaPathFinder):
    """Makes importing our packages impossible."""

    def find_spec(self, name, path=None, target=None):
        if name.startswith("cryptable"):
            raise ModuleNotFoundError(f"{name} is not for this client", name=name)
        return


sys.meta_path.insert(0, NothingOfOurs())
refused = []
for package in ("cryptable", "cryptable_client", "cryptable_engine", "cryptable_protocol", "cryptable_server"):
    try:
        __import__(package)
    except ModuleNotFoundError:
        refused.append(package)

import grpc  # noqa: E402 - after importing ours has become impossible
from google.protobuf.descriptor_pool import DescriptorPool  # noqa: E402
from google.protobuf.json_format import MessageToDict  # noqa: E402
from google.protobuf.message_factory import GetMessageClass  # noqa: E402
from grpc_reflection.v1alpha.proto_reflection_descriptor_database import (  # noqa: E402
    ProtoReflectionDescriptorDatabase,
)

address, model = sys.argv[1:]


def call(service, method, /, **fields):
    """One unary call, its messages known from the server alone."""
    found = pool.FindServiceByName(service).FindMethodByName(method)
    invoke = channel.unary_unary(
        f"/{service}/{method}",
        request_serializer=lambda message: message.SerializeToString(),
        response_deserializer=GetMessageClass(found.output_type).FromString,
    )
    return invoke(GetMessageClass(found.input_type)(**fields), timeout=60)


with grpc.insecure_channel(address) as channel:
    reflected = ProtoReflectionDescriptorDatabase(channel)
    pool = DescriptorPool(reflected)
    services = sorted(reflected.get_services())
    models = call("cryptable.v1.Inference", "ListModels").models
    health = call("grpc.health.v1.Health", "Check", service=f"cryptable.v1.Inference/{model}")
    answer = call("cryptable.v1.Inference", "GetModel", name=model)
    spec = GetMessageClass(pool.FindMessageTypeByName("cryptable.v1.ClientSpec")).FromString(answer.client_spec)

ours = sorted(name for name in sys.modules if name.startswith("cryptable"))
json.dump(
    {
        "refused": refused,
        "ours": ours,
        "services": services,
        "models": [[each.name, each.version] for each in models],
        "health": health.DESCRIPTOR.fields_by_name["status"].enum_type.values_by_number[health.status].name,
        "spec": MessageToDict(spec, preserving_proto_field_name=True),
    },
    sys.stdout,
)
