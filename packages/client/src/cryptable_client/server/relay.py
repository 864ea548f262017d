"""`relay`: encrypted rows of somebody else to a server, encrypted answers back. No secret key is needed or seen."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path

from cryptable_protocol import messages
from cryptable_protocol.errors import InvalidInputError, MalformedMessageError
from cryptable_protocol.messages import tensor as tensor_pb
from cryptable_protocol.model.client_spec import ClientSpec
from cryptable_protocol.schemes.scheme import Tensor
from cryptable_protocol.service import InferenceStub

from cryptable_client.console.progress import wanted
from cryptable_client.keys.spooled import SpooledEvaluationKeys, open_public
from cryptable_client.schemes.scheme import read_tensor
from cryptable_client.server.access import Access
from cryptable_client.server.in_time import in_time
from cryptable_client.server.meter import Meter
from cryptable_client.server.remote_model import fetch_spec
from cryptable_client.server.transport import Outgoing, open_channel, typed_errors
from cryptable_client.server.trust import Trust
from cryptable_client.server.upload import EvaluationKeyUpload

_DOING = "relaying rows"
_ROWS_PER_CALL = 64
"""A call's deadline covers so many rows; each call is a stream of its own."""


@contextmanager
def relay(
    access: Access,
    trust: Trust,
    model: str,
    *,
    rows: Callable[[ClientSpec], Iterator[tensor_pb.EncryptedTensor]],
    evaluation_keys: str | os.PathLike[str] | None = None,
) -> Iterator[tuple[ClientSpec, Iterator[Tensor]]]:
    """Have encrypted rows evaluated.

    `rows` is given the model's specification, checks that they belong to it, and gives them; `evaluation_keys` is the
    file that goes with them, where the model needs some.

    Yields:
        The specification, and the answers in the order of the rows, as they come.
    """
    with open_channel(access) as channel:
        stub = InferenceStub(channel)
        spec = fetch_spec(channel, access, model, trust=trust).spec
        given = rows(spec)
        digest = b""
        if spec.parameters.keyset.evaluation_keys_bytes:
            if evaluation_keys is None:
                raise InvalidInputError(f"model {model!r} needs evaluation keys: give the file that goes with the rows")
            with open_public(spec.parameters.keyset, Path(evaluation_keys)) as spooled:
                digest = _ensure(stub, spooled, access.timeout)
        header = messages.inference.InferHeader(
            model_name=spec.model_name, client_spec_digest=spec.digest, evaluation_keys=digest
        )
        yield spec, _answers(stub, spec, header, given, access.timeout)


def _ensure(stub: InferenceStub, spooled: SpooledEvaluationKeys, timeout: float) -> bytes:
    upload = EvaluationKeyUpload(stub, spooled, timeout=timeout, bars=wanted(None), meter=Meter())
    upload.ensure()
    return upload.header.sha256


def _answers(
    stub: InferenceStub,
    spec: ClientSpec,
    header: messages.inference.InferHeader,
    rows: Iterator[tensor_pb.EncryptedTensor],
    timeout: float,
) -> Iterator[Tensor]:
    while batch := list(islice(rows, _ROWS_PER_CALL)):
        requests = [messages.inference.InferRequest(header=header)]
        requests += [messages.inference.InferRequest(row=read_tensor(spec, row).to_message()) for row in batch]
        answered = 0
        with typed_errors(_DOING), Outgoing(iter(requests)) as outgoing:
            call = stub.Infer(outgoing, timeout=timeout * len(batch))
            try:
                for response in in_time(call, timeout, _DOING):
                    if response.row != answered or answered == len(batch):
                        raise MalformedMessageError(f"the server answers row {response.row}, expected row {answered}")
                    answered += 1
                    yield read_tensor(spec, response.result)
            finally:
                call.cancel()
        if answered != len(batch):
            raise MalformedMessageError(f"the server answered {answered} of {len(batch)} rows")
