"""A gRPC servicer that speaks the protocol and returns rows as they came: it stands for the network, not for a server.

Real evaluation is tested in integration_tests, against the real server.
"""

import hashlib
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import grpc
from cryptable_protocol import EncryptedTensor, messages
from cryptable_protocol.service import InferenceServicer, add_InferenceServicer_to_server

pb = messages.inference


class EchoServicer(InferenceServicer):
    def __init__(self, spec):
        self.spec = spec
        self.keys = {}
        self.uploads = []
        self.headers = []
        self.calls = []
        self.failures = {}
        """Per method, statuses to fail with, one a call."""
        self.break_upload_after = []
        """Per upload, bytes after which the stream breaks off."""
        self.keeps_parts = False
        self.parts = {}
        self.starts = []
        """Per upload, its first byte."""
        self.claims = iter(())
        """How many bytes of an upload it says that it has, whatever it has."""
        self.change_answer = lambda response: response
        self.answers_left_out = 0
        self.break_rows_at = []
        """Per Infer call, the row at which a worker dies."""
        self.seeds = []
        self.rows = []
        self.signature = None
        self.artifact_digest = b""
        self.metadata = []
        self.frozen = set()
        """Methods that neither read nor answer."""
        self.freezes_at = None
        """The row of an Infer call from which on nothing is read or answered."""
        self.pace_seconds = 0.0
        """What each row takes."""
        self.pushback_ms = "10"
        """What a dying worker asks for."""
        self.thawed = threading.Event()
        self.is_old = False
        """It has no unary calls."""

    def _begin(self, method, context):
        self.calls.append(method)
        if method in self.frozen:
            self.thawed.wait(60)
        self.metadata.append(dict(context.invocation_metadata()))
        if self.failures.get(method):
            code, details = self.failures[method].pop(0)
            context.abort(code, details)

    def ListModels(self, request, context):
        self._begin("ListModels", context)
        summary = pb.ModelSummary(
            name=self.spec.model_name,
            version="7\x1b[2J",
            client_spec_digest=self.spec.digest,
            keyset_name=self.spec.parameters.keyset.name,
        )
        return pb.ListModelsResponse(models=[summary])

    def GetModel(self, request, context):
        self._begin("GetModel", context)
        if isinstance(self.spec, bytes):
            return pb.GetModelResponse(version="7", client_spec=self.spec)
        if request.name != self.spec.model_name:
            context.abort(grpc.StatusCode.NOT_FOUND, f"no model {request.name!r}")
        return pb.GetModelResponse(
            version="7",
            client_spec=self.spec.to_bytes(),
            artifact_digest=self.artifact_digest,
            signature=self.signature,
        )

    def GetEvaluationKeys(self, request, context):
        self._begin("GetEvaluationKeys", context)
        if (claimed := next(self.claims, None)) is not None:
            return pb.GetEvaluationKeysResponse(received=claimed)
        if self.parts.get(request.sha256):
            return pb.GetEvaluationKeysResponse(received=len(self.parts[request.sha256]))
        if request.sha256 not in self.keys:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such keys")
        return pb.GetEvaluationKeysResponse(
            keyset_name=self.spec.parameters.keyset.name, size=len(self.keys[request.sha256])
        )

    def UploadEvaluationKeys(self, requests, context):
        self._begin("UploadEvaluationKeys", context)
        header = next(requests).header
        received = bytearray()
        limit = self.break_upload_after.pop(0) if self.break_upload_after else None
        self.uploads.append(received)
        for number, request in enumerate(requests):
            if not number:
                self.starts.append(request.chunk.offset)
                if request.chunk.offset:
                    received += self.parts.pop(header.sha256)
            if request.chunk.offset != len(received):
                context.abort(grpc.StatusCode.INVALID_ARGUMENT, "chunks out of order")
            received += request.chunk.data
            if limit is not None and len(received) >= limit:
                if self.keeps_parts:
                    self.parts[header.sha256] = bytes(received)
                context.abort(grpc.StatusCode.UNAVAILABLE, "the connection broke")
        if len(received) != header.size or hashlib.sha256(received).digest() != header.sha256:
            context.abort(grpc.StatusCode.INVALID_ARGUMENT, "keys differ from their header")
        self.parts.pop(header.sha256, None)
        self.keys[header.sha256] = bytes(received)
        return pb.UploadEvaluationKeysResponse(sha256=header.sha256)

    def DeleteEvaluationKeys(self, request, context):
        self._begin("DeleteEvaluationKeys", context)
        self.keys.pop(request.sha256, None)
        return pb.DeleteEvaluationKeysResponse()

    def evaluate(self, row):
        """The answer to a row: the row itself, as an answer is written."""
        dimension = self.spec.keyset.dimensions[self.spec.input.key]
        words = EncryptedTensor.from_message(row).ciphertexts(self.spec.input.size, dimension)
        return EncryptedTensor.from_ciphertexts(words).to_message()

    def InferRow(self, request, context):
        self._begin("InferRow", context)
        if self.is_old:
            return super().InferRow(request, context)
        stream = pb.InferRequest(header=request.header), pb.InferRequest(row=request.row)
        (answer,) = self._answers(iter(stream), context)  # changed as a stream's would be
        return pb.InferRowResponse(
            result=answer.result, cpu_seconds=answer.cpu_seconds, wall_seconds=answer.wall_seconds
        )

    def Infer(self, requests, context):
        self._begin("Infer", context)
        yield from self._answers(requests, context)

    def _answers(self, requests, context):
        header = next(requests).header
        self.headers.append(header)
        if header.client_spec_digest != self.spec.digest:
            context.abort(grpc.StatusCode.FAILED_PRECONDITION, "another specification")
        if header.evaluation_keys and header.evaluation_keys not in self.keys:
            context.abort(grpc.StatusCode.NOT_FOUND, "no such keys")
        dies_at = self.break_rows_at.pop(0) if self.break_rows_at else None
        for index, request in enumerate(requests):
            self.seeds.append(request.row.seed)
            self.rows.append((request.row.seed, request.row.bodies))
            if index == dies_at:
                context.set_trailing_metadata((("grpc-retry-pushback-ms", self.pushback_ms),))
                context.abort(grpc.StatusCode.UNAVAILABLE, "a worker died")
            if index == self.freezes_at:
                self.thawed.wait(60)
            self.thawed.wait(self.pace_seconds)
            if index < self.answers_left_out:
                continue
            response = pb.InferResponse(
                row=index,
                result=self.evaluate(request.row),
                cpu_seconds=0.25,
                wall_seconds=float("nan"),
            )
            yield self.change_answer(response)


@contextmanager
def serving(servicer):
    """Serve on a free port of this machine: its address."""
    server = grpc.server(ThreadPoolExecutor(4), options=[("grpc.max_receive_message_length", -1)])
    add_InferenceServicer_to_server(servicer, server)
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(None).wait()


@contextmanager
def serving_with_tls(servicer, certificate, private_key, client_root=None):
    """The same with TLS, only for clients whose certificate descends from `client_root` if that is given."""
    server = grpc.server(ThreadPoolExecutor(4))
    add_InferenceServicer_to_server(servicer, server)
    credentials = grpc.ssl_server_credentials(
        [(private_key, certificate)], root_certificates=client_root, require_client_auth=client_root is not None
    )
    port = server.add_secure_port("127.0.0.1:0", credentials)
    server.start()
    try:
        yield f"localhost:{port}"
    finally:
        server.stop(None).wait()
