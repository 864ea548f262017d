"""InferenceService: the methods of protos/cryptable/v1/inference.proto, on models, keys and an executor.

Every method takes its request and a Call, and raises CryptableError for refusals; `grpc_entry` makes statuses of those.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import ExitStack
from typing import ParamSpec, TypeVar

from cryptable_protocol import EvaluationKeysHeader, InternalError, MalformedMessageError
from cryptable_protocol.evaluation_keys import check_digest
from cryptable_protocol.messages import inference as pb
from cryptable_protocol.messages import tensor as tensor_pb
from cryptable_protocol.schemes.parts import parts_of, whole_answer
from cryptable_protocol.schemes.scheme import Batch, SchemeParameters
from cryptable_protocol.schemes.squares.bulk_parameters import BulkParameters

from cryptable_server.calls.grpc_entry import Call, Messages
from cryptable_server.calls.measures.metrics import Metrics
from cryptable_server.errors import (
    BatchDiffersError,
    DrainingError,
    KeysCorruptedError,
    KeysetDiffersError,
    KeysMissingError,
    KeysNotFoundError,
    RowLimitExceededError,
    UploadCutShortError,
)
from cryptable_server.executors.executor import Evaluated, Evaluation, Executor, KeysReference, TensorFile
from cryptable_server.keys.store import KeyStore
from cryptable_server.models.store import Model, ModelStore
from cryptable_server.principals import Principal, Role
from cryptable_server.services.pieces import gathered
from cryptable_server.services.row_pipeline import RowPipeline
from cryptable_server.services.spool import Spool
from cryptable_server.services.together import Together

AUDITED = frozenset({"UploadEvaluationKeys", "PutEvaluationKeys", "DeleteEvaluationKeys"})
"""Methods whose calls the audit log tells of."""
Answer = TypeVar("Answer")
Asked = ParamSpec("Asked")


class InferenceService:
    """Validates everything that comes in against the model's own parameters, and only then hands it to the executor."""

    def __init__(
        self,
        *,
        models: ModelStore,
        keys: KeyStore,
        executor: Executor,
        metrics: Metrics,
        max_rows: int,
        draining: asyncio.Event,
        spool: Spool | None = None,
    ) -> None:
        self._models = models
        self._keys = keys
        self._executor = executor
        self._metrics = metrics
        self._max_rows = max_rows
        self._draining = draining
        self._spool = spool

    async def ListModels(self, _: pb.ListModelsRequest, call: Call) -> pb.ListModelsResponse:  # noqa: ARG002
        """All models."""
        summaries = [
            pb.ModelSummary(
                name=model.name,
                version=model.version,
                client_spec_digest=model.spec.digest,
                keyset_name=model.spec.parameters.keyset.name,
            )
            for model in self._models.models()
        ]
        return pb.ListModelsResponse(models=summaries)

    async def GetModel(self, request: pb.GetModelRequest, call: Call) -> pb.GetModelResponse:
        """One model's client specification."""
        model = self._models.get(request.name, request.version)
        call.facts["model"] = model.name
        return pb.GetModelResponse(
            version=model.version,
            client_spec=model.spec.to_bytes(),
            artifact_digest=model.artifact_digest,
            signature=None if model.signature is None else model.signature.to_message(),
            batch=model.batch,
            packed=model.packed,
            bulk=b"" if model.bulk is None else model.bulk.to_bytes(),
        )

    async def UploadEvaluationKeys(
        self, requests: Messages[pb.UploadEvaluationKeysRequest], call: Call
    ) -> pb.UploadEvaluationKeysResponse:
        """Receive keys whose size and keyset a model needs."""
        call.principal.require(Role.UPLOAD)
        first = await requests.next()
        if first is None or first.WhichOneof("part") != "header":
            raise MalformedMessageError("the first message of an upload must be its header")
        header = EvaluationKeysHeader.from_message(first.header)
        call.facts["keys"] = header.sha256.hex()[:16]
        self._check_header(header)
        received = 0
        with await self._asked(self._keys.begin, call.principal, header) as upload:
            while (message := await requests.next()) is not None:
                if message.WhichOneof("part") != "chunk":
                    raise MalformedMessageError("after the header of an upload, every message must be a chunk")
                await asyncio.to_thread(upload.write, message.chunk.offset, message.chunk.data)
                received += len(message.chunk.data)
                requests.check_pace(received)
            stored = await asyncio.to_thread(upload.commit)
        call.facts["bytes"] = stored.size
        self._metrics.uploaded(stored.size)
        return pb.UploadEvaluationKeysResponse(sha256=stored.sha256)

    async def PutEvaluationKeys(self, request: pb.PutEvaluationKeysRequest, call: Call) -> pb.PutEvaluationKeysResponse:
        """Receive a piece of keys: an upload of that piece alone, which goes on from those before it."""
        call.principal.require(Role.UPLOAD)
        if not request.HasField("header") or not request.HasField("chunk"):
            raise MalformedMessageError("a piece of evaluation keys has a header and a chunk")
        size, sha256 = request.header.size, request.header.sha256
        try:
            digest = check_digest(sha256, "digest of evaluation keys")
            if (await self._asked(self._keys.find, call.principal, digest)).size == size:
                call.facts["keys"] = sha256.hex()[:16]
                return pb.PutEvaluationKeysResponse(received=size)
        except KeysNotFoundError:
            pass
        message = pb.UploadEvaluationKeysRequest
        try:
            await self.UploadEvaluationKeys(
                Together(message(header=request.header), message(chunk=request.chunk)), call
            )
        except UploadCutShortError:
            # As of a stream that breaks off there: its store keeps what came, or what came of them before and is more.
            size = self._keys.received(call.principal, sha256)
            call.facts["received"] = size
        return pb.PutEvaluationKeysResponse(received=size)

    async def GetEvaluationKeys(self, request: pb.GetEvaluationKeysRequest, call: Call) -> pb.GetEvaluationKeysResponse:
        """Whether the caller's keys are here, or how much of them."""
        sha256 = check_digest(request.sha256, "digest of evaluation keys")
        try:
            stored = await self._asked(self._keys.find, call.principal, sha256)
        except KeysNotFoundError:
            received = self._keys.received(call.principal, sha256)
            if not received:
                raise
            call.facts["received"] = received
            return pb.GetEvaluationKeysResponse(received=received)
        return pb.GetEvaluationKeysResponse(keyset_name=stored.keyset_name, size=stored.size)

    async def DeleteEvaluationKeys(
        self, request: pb.DeleteEvaluationKeysRequest, call: Call
    ) -> pb.DeleteEvaluationKeysResponse:
        """Remove the caller's keys from disk and memory."""
        call.principal.require(Role.UPLOAD)
        sha256 = check_digest(request.sha256, "digest of evaluation keys")
        call.facts["keys"] = sha256.hex()[:16]
        await asyncio.to_thread(self._keys.delete, call.principal, sha256)
        return pb.DeleteEvaluationKeysResponse()

    async def Infer(self, requests: Messages[pb.InferRequest], call: Call) -> AsyncGenerator[pb.InferResponse, None]:
        """Evaluate rows, several at once, and answer in their order."""
        call.principal.require(Role.EVALUATE)
        first = await requests.next(until=self._draining)
        if first is None or first.WhichOneof("part") != "header":
            raise MalformedMessageError("the first message of an Infer stream must be its header")
        with ExitStack() as using:
            model, keys = await self._check_infer_header(first.header, call.principal, using)
            batch = _batch(first.header, model)
            call.facts["model"] = model.name
            row, cpu_seconds = 0, 0.0
            reader = self._reader(requests, call, model, keys, batch)
            async with RowPipeline(self._executor, reader, self._ended) as pipeline:
                while (
                    evaluated := await self._without_corrupted_keys(pipeline.next(), call.principal, keys)
                ) is not None:
                    self._metrics.row(model.name, evaluated)
                    cpu_seconds += evaluated.cpu_seconds
                    call.facts.update(rows=row + evaluated.rows, cpu_seconds=round(cpu_seconds, 4))
                    yield pb.InferResponse(
                        row=row,
                        result=_result(evaluated, model, batch),
                        cpu_seconds=evaluated.cpu_seconds,
                        wall_seconds=evaluated.wall_seconds,
                    )
                    row += evaluated.rows

    async def InferRow(self, request: pb.InferRowRequest, call: Call) -> pb.InferRowResponse:
        """Evaluate one row."""
        call.principal.require(Role.EVALUATE)
        if not request.HasField("header") or not request.HasField("row"):
            raise MalformedMessageError("a row to be evaluated has a header and a tensor")
        if self._draining.is_set():
            raise DrainingError
        with ExitStack() as using:
            model, keys = await self._check_infer_header(request.header, call.principal, using)
            call.facts["model"] = model.name
            batch, rows = _batch(request.header, model), request.row.rows or 1
            if batch is not None and rows > (most := model.limits.max_rows or self._max_rows):
                raise RowLimitExceededError(f"a call has at most {most} rows; send the rest by another")
            parameters = model.spec.parameters if batch is None else batch.of(request.row.rows)
            tensor = check_row(request.row, parameters, 0)
            evaluation = _evaluation(tensor, call, model, keys, parameters, rows)
            answer = asyncio.wrap_future(self._executor.submit(evaluation))
            try:
                evaluated = await self._without_corrupted_keys(answer, call.principal, keys)
            finally:
                answer.cancel()
            self._metrics.row(model.name, evaluated)
            call.facts.update(rows=rows, cpu_seconds=round(evaluated.cpu_seconds, 4))
            return pb.InferRowResponse(
                result=_result(evaluated, model, batch),
                cpu_seconds=evaluated.cpu_seconds,
                wall_seconds=evaluated.wall_seconds,
            )

    def _reader(
        self,
        requests: Messages[pb.InferRequest],
        call: Call,
        model: Model,
        keys: KeysReference | None,
        batch: Batch | None,
    ) -> Callable[[Callable[[], bool]], Awaitable[Evaluation | None]]:
        row = 0

        async def read(waits: Callable[[], bool]) -> Evaluation | None:
            nonlocal row
            message = await requests.next(until=self._draining, waits=waits)
            if message is None:
                return None
            if message.WhichOneof("part") != "row":
                raise MalformedMessageError("after the header of an Infer stream, every message must be a row")
            if self._draining.is_set():
                raise DrainingError
            parameters, rows = model.spec.parameters, 1
            if batch is not None:
                rows = message.row.rows
                parameters = batch.of(rows)
            if row + rows > (most := model.limits.max_rows or self._max_rows):
                raise RowLimitExceededError(f"a stream has at most {most} rows; open another for the rest")
            row += rows
            if isinstance(parameters, BulkParameters):
                if self._spool is None:
                    raise InternalError("rows in bulk, which this server has told nobody of")
                with self._spool.begin(call.principal.folder, parameters.row_bytes) as incoming:
                    file = await gathered(requests, message.row, parameters, incoming, waits=waits)
                return _evaluation(b"", call, model, keys, parameters, file=file)
            tensor = check_row(message.row, parameters, row - rows)
            return _evaluation(tensor, call, model, keys, parameters, rows)

        return read

    def _ended(self, evaluation: Evaluation) -> None:
        if self._spool is not None and evaluation.file is not None:
            self._spool.remove(evaluation.file.location)

    async def _without_corrupted_keys(
        self, answer: Awaitable[Answer], principal: Principal, keys: KeysReference | None
    ) -> Answer:
        try:
            return await answer
        except KeysCorruptedError:
            # Else GetEvaluationKeys would go on saying that they need not be uploaded.
            if keys is not None:
                await asyncio.to_thread(self._keys.damaged, principal, keys.sha256)
            raise

    async def _asked(self, question: Callable[Asked, Answer], *about: Asked.args, **also: Asked.kwargs) -> Answer:
        """The store's answer, which the event loop does not wait for where it comes from another machine."""
        if self._keys.far:
            return await asyncio.to_thread(question, *about, **also)
        return question(*about, **also)

    def _check_header(self, header: EvaluationKeysHeader) -> None:
        keyset = self._models.keyset(header.keyset_name)
        if keyset is None:
            raise KeysetDiffersError(
                f"no model of this server uses keyset {header.keyset_name.hex()[:16]}…; make keys for a ClientSpec "
                "that GetModel returns"
            )
        if header.size != keyset.evaluation_keys_bytes:
            raise MalformedMessageError(
                f"evaluation keys of {header.size} bytes, those of this keyset have {keyset.evaluation_keys_bytes}"
            )

    async def _check_infer_header(
        self, header: pb.InferHeader, principal: Principal, using: ExitStack
    ) -> tuple[Model, KeysReference | None]:
        """The model and the keys, which stay as long as `using` is open."""
        self._models.get(header.model_name)
        digest = check_digest(header.client_spec_digest, "digest of the client spec")
        model = using.enter_context(self._models.use(header.model_name, digest))
        if not model.needs_keys:
            if header.evaluation_keys:
                raise MalformedMessageError(f"model {model.name!r} needs no evaluation keys, and the call names some")
            return model, None
        if not header.evaluation_keys:
            raise KeysMissingError(
                f"model {model.name!r} needs evaluation keys; upload them and name them in the header"
            )
        sha256 = check_digest(header.evaluation_keys, "digest of evaluation keys")
        if self._keys.far:
            await asyncio.to_thread(self._keys.fetch, principal, sha256)
        stored = using.enter_context(self._keys.use(principal, sha256))
        if stored.keyset_name != model.spec.parameters.keyset.name:
            raise KeysetDiffersError(
                f"these evaluation keys are of keyset {stored.keyset_name.hex()[:16]}…, model {model.name!r} uses "
                f"{model.spec.parameters.keyset.name.hex()[:16]}…; make and upload keys for it"
            )
        return model, KeysReference(stored.sha256, principal.folder, stored.reference, model.key_memory_bytes)


def _batch(header: pb.InferHeader, model: Model) -> Batch | None:
    """How rows of a stream travel together, if its header names what the model's server has told."""
    if not header.batch:
        return None
    batch = model.rows_together.get(check_digest(header.batch, "digest of the batch spec"))
    if batch is None:
        raise BatchDiffersError(
            f"rows of model {model.name!r} do not travel together in this way; ask for it again, or send them alone"
        )
    return batch


def _evaluation(
    tensor: bytes,
    call: Call,
    model: Model,
    keys: KeysReference | None,
    parameters: SchemeParameters,
    rows: int = 1,
    file: TensorFile | None = None,
) -> Evaluation:
    return Evaluation(
        model.program,
        tensor,
        keys,
        principal=call.principal.name,
        model=model.name,
        model_queue_rows=model.limits.queue_rows,
        call=call.request_id,
        deadline=call.deadline,
        rows=rows,
        file=file,
        parts=parts_of(parameters),
    )


def check_row(message: tensor_pb.EncryptedTensor, parameters: SchemeParameters, row: int) -> bytes:
    """The canonical bytes of a row, or of rows together, if they are of the form that the parameters fix.

    Raises:
        MalformedMessageError: says what was got and what was expected.
    """
    try:
        return parameters.check_input(message)
    except MalformedMessageError as error:
        raise MalformedMessageError(f"row {row}: {error}") from error


def _result(evaluated: Evaluated, model: Model, batch: Batch | None) -> tensor_pb.EncryptedTensor:
    # A worker has run native code on a stranger's bytes, so what it returns is checked as well.
    parameters = model.spec.parameters if batch is None else batch.of(evaluated.rows)
    try:
        message = tensor_pb.EncryptedTensor.FromString(whole_answer(parameters, evaluated.tensors))
        parameters.check_output(message)
    except MalformedMessageError as error:
        raise InternalError(str(error)) from error
    return message
