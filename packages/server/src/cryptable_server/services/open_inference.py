"""OpenInferenceService: the Open Inference Protocol (version 2), thin, before the service of our own.

A model has one input, `row`, and one output, `answer`: BYTES of one element, which is a cryptable.v1.InferRowRequest,
and a cryptable.v1.InferRowResponse. Specifications and evaluation keys travel by our own service, on the same port.
"""

from __future__ import annotations

import asyncio
import struct

from cryptable_protocol import MalformedMessageError
from cryptable_protocol.messages import inference as own
from cryptable_protocol.open_inference import SERVICE_NAME, pb
from google.protobuf.message import DecodeError

from cryptable_server import __version__
from cryptable_server.calls.grpc_entry import Call
from cryptable_server.errors import SpecDiffersError
from cryptable_server.models.store import LATEST, Model, ModelStore
from cryptable_server.services.inference import InferenceService

__all__ = ["SERVICE_NAME", "OpenInferenceService"]
INPUT, OUTPUT, BYTES = "row", "answer", "BYTES"
_SHAPE = [1]
_LENGTH = struct.Struct("<I")


class OpenInferenceService:
    """See the methods of protos/open_inference/grpc_predict.proto."""

    def __init__(self, models: ModelStore, inference: InferenceService, draining: asyncio.Event) -> None:
        """Rows go to `inference`, which asks who calls and what they may."""
        self._models = models
        self._inference = inference
        self._draining = draining

    async def ServerLive(self, _: pb.ServerLiveRequest, call: Call) -> pb.ServerLiveResponse:  # noqa: ARG002
        """It is, or would not say so."""
        return pb.ServerLiveResponse(live=True)

    async def ServerReady(self, _: pb.ServerReadyRequest, call: Call) -> pb.ServerReadyResponse:  # noqa: ARG002
        """Whether any model is served, and for longer."""
        return pb.ServerReadyResponse(ready=bool(self._models.models()) and not self._draining.is_set())

    async def ModelReady(self, request: pb.ModelReadyRequest, call: Call) -> pb.ModelReadyResponse:
        """Of a model that is not served, NOT_FOUND says more."""
        call.facts["model"] = self._models.get(request.name, request.version or LATEST).name
        return pb.ModelReadyResponse(ready=not self._draining.is_set())

    async def ServerMetadata(self, _: pb.ServerMetadataRequest, call: Call) -> pb.ServerMetadataResponse:  # noqa: ARG002
        """Name and version."""
        return pb.ServerMetadataResponse(name="cryptable-server", version=__version__)

    async def ModelMetadata(self, request: pb.ModelMetadataRequest, call: Call) -> pb.ModelMetadataResponse:
        """The versions of the model, and by which specification rows of the one that was asked for are encoded."""
        model = self._models.get(request.name, request.version or LATEST)
        call.facts["model"] = model.name
        return pb.ModelMetadataResponse(
            name=model.name,
            versions=[each.version for each in self._models.models() if each.name == model.name],
            platform="cryptable",
            inputs=[pb.ModelMetadataResponse.TensorMetadata(name=INPUT, datatype=BYTES, shape=_SHAPE)],
            outputs=[pb.ModelMetadataResponse.TensorMetadata(name=OUTPUT, datatype=BYTES, shape=_SHAPE)],
            properties={
                "version": model.version,
                "client_spec_digest": model.spec.digest.hex(),
                INPUT: own.InferRowRequest.DESCRIPTOR.full_name,
                OUTPUT: own.InferRowResponse.DESCRIPTOR.full_name,
            },
        )

    async def ModelInfer(self, request: pb.ModelInferRequest, call: Call) -> pb.ModelInferResponse:
        """Evaluate one row."""
        asked = self._models.get(request.model_name, request.model_version or LATEST)
        row = _row_of(request)
        model = self._model_of(request, asked, row.header.client_spec_digest)
        answer = (await self._inference.InferRow(row, call)).SerializeToString()
        output = pb.ModelInferResponse.InferOutputTensor(name=OUTPUT, datatype=BYTES, shape=_SHAPE)
        response = pb.ModelInferResponse(model_name=model.name, model_version=model.version, id=request.id)
        if request.raw_input_contents:
            response.raw_output_contents.append(_LENGTH.pack(len(answer)) + answer)
        else:
            output.contents.bytes_contents.append(answer)
        response.outputs.append(output)
        return response

    def _model_of(self, request: pb.ModelInferRequest, asked: Model, digest: bytes) -> Model:
        """The version that the row is encoded for, which has to be the one asked for where the request names any."""
        if request.model_version and asked.spec.digest != digest:
            raise SpecDiffersError(
                f"the row is not encoded for version {asked.version} of model {asked.name!r}: fetch that version's "
                "client spec with GetModel and encode again"
            )
        if asked.spec.digest == digest:
            return asked
        with self._models.use(request.model_name, digest) as model:
            return model


def _row_of(request: pb.ModelInferRequest) -> own.InferRowRequest:
    """What the request's one tensor holds; raises MalformedMessageError."""
    if len(request.inputs) != 1 or request.inputs[0].name != INPUT:
        raise MalformedMessageError(f"{len(request.inputs)} inputs, expected one, which is called {INPUT!r}")
    tensor = request.inputs[0]
    if tensor.datatype != BYTES or list(tensor.shape) != _SHAPE:
        raise MalformedMessageError(
            f"input {INPUT!r} is of {tensor.datatype[:16]!r} and shape {list(tensor.shape)[:8]}, expected {BYTES} of "
            f"shape {_SHAPE}: an element is a whole row"
        )
    if any(each.name != OUTPUT for each in request.outputs):
        raise MalformedMessageError(f"outputs are asked for that there are not: a model has {OUTPUT!r} alone")
    elements, raw = list(tensor.contents.bytes_contents), list(request.raw_input_contents)
    if raw and not elements:
        elements = [_element_of(data) for data in raw]
    elif raw:
        raise MalformedMessageError(f"input {INPUT!r} has contents and raw contents, expected one of them")
    if len(elements) != 1:
        raise MalformedMessageError(f"input {INPUT!r} has {len(elements)} elements, its shape says 1")
    try:
        row = own.InferRowRequest.FromString(elements[0])
    except DecodeError as error:
        raise MalformedMessageError(f"the element of input {INPUT!r} is no cryptable.v1.InferRowRequest") from error
    if row.header.model_name != request.model_name:
        raise MalformedMessageError(f"the row in input {INPUT!r} is for another model than the request")
    return row


def _element_of(data: bytes) -> bytes:
    if len(data) < _LENGTH.size or _LENGTH.unpack_from(data)[0] != len(data) - _LENGTH.size:
        raise MalformedMessageError(f"raw contents of input {INPUT!r} are not the length of one element, and that")
    return data[_LENGTH.size :]
