"""Calls over HTTP: the answers and statuses that gRPC gives, pages of named origins alone, and what is hostile."""

import json
import socket
import threading
import time

import grpc
import pytest
from cryptable_protocol.messages import inference as pb
from cryptable_protocol.messages import keys as keys_pb
from cryptable_protocol.service import SERVICE_NAME
from cryptable_server.calls.tokens import new_token
from cryptable_server.principals import USUAL_ROLES, Role
from waiting import until
from web_calls import ORIGIN, address_of, post, raw

WEB = ("--web-address", "127.0.0.1:0", "--web-origins", ORIGIN)
MOST_SECONDS = 25.0


@pytest.fixture(scope="module")
def tokens(tmp_path_factory):
    path = tmp_path_factory.mktemp("tokens") / "tokens.json"
    made = {name: new_token(path, name, USUAL_ROLES)[1] for name in ("alice", "mallory")}
    made["evaluator"] = new_token(path, "evaluator", [Role.EVALUATE])[1]
    return path, made


@pytest.fixture(scope="module")
def web(start, tokens):
    with start(*WEB, "--tokens", tokens[0], "--handshake-timeout", "1", "--idle-timeout", "2") as server:
        yield server


@pytest.fixture(scope="module")
def spec(artifacts):
    return artifacts["tables"].client_spec


@pytest.fixture(scope="module")
def alice(tokens):
    return {"authorization": f"Bearer {tokens[1]['alice']}"}


@pytest.fixture(scope="module")
def mallory(tokens):
    return {"authorization": f"Bearer {tokens[1]['mallory']}"}


@pytest.fixture(scope="module")
def keys(web, spec, wire, alice):
    """Alice's, uploaded by a page in pieces."""
    header, *chunks = wire.upload_messages(spec, wire.random_keys(spec, 1))
    for chunk in chunks:
        answer = post(
            web, "PutEvaluationKeys", pb.PutEvaluationKeysRequest(header=header.header, chunk=chunk.chunk), **alice
        )
        assert answer.status == 200, answer.body
    return header.header.sha256


def row_request(wire, spec, keys, **changes):
    header, row = wire.infer_header(spec, keys, **changes).header, wire.row_of(spec).row
    return pb.InferRowRequest(header=header, row=row)


def outcome(server, method, request, headers):
    """Code, message and retry of the same call by gRPC."""
    try:
        getattr(server.stub, method)(request, metadata=tuple(headers.items()), timeout=60)
    except grpc.RpcError as error:
        retry = dict(error.trailing_metadata()).get("grpc-retry-pushback-ms")
        return error.code().name, error.details().partition(" [request")[0], retry
    return "OK", "", None


def test_a_row_has_the_answer_that_grpc_gives(web, spec, wire, keys, alice):
    request = row_request(wire, spec, keys)
    answer = post(web, "InferRow", request, **alice)
    assert answer.status == 200
    assert answer.headers["content-type"] == "application/proto"
    assert answer.headers["access-control-allow-origin"] == ORIGIN
    assert answer.headers["cache-control"] == "no-store"
    by_grpc = web.stub.InferRow(request, metadata=tuple(alice.items()))
    assert pb.InferRowResponse.FromString(answer.body).result == by_grpc.result


def test_who_sends_no_origin_is_no_page(web, spec, alice):
    answer = post(web, "GetModel", pb.GetModelRequest(name="tables"), origin=None, **alice)
    assert pb.GetModelResponse.FromString(answer.body).client_spec == spec.to_bytes()
    assert "access-control-allow-origin" not in answer.headers


def refused_requests(wire, spec, keys):
    """Method, request, and further headers of calls that are refused."""
    bad_row = row_request(wire, spec, keys)
    bad_row.row.bodies = bad_row.row.bodies[:-8]
    header, chunk, *_ = wire.upload_messages(spec, wire.random_keys(spec, 2))
    put = pb.PutEvaluationKeysRequest
    later = keys_pb.EvaluationKeysChunk(offset=8, data=b"later")
    empty = keys_pb.EvaluationKeysChunk()
    large = keys_pb.EvaluationKeysChunk(data=bytes((1 << 20) + 1))
    other = keys_pb.EvaluationKeysHeader(keyset_name=bytes(32), size=8, sha256=bytes(32))
    short = keys_pb.EvaluationKeysHeader(keyset_name=header.header.keyset_name, size=8, sha256=bytes(32))
    requests = [
        ("GetModel", pb.GetModelRequest(name="none")),
        ("GetModel", pb.GetModelRequest(name="tables", version="9")),
        ("GetEvaluationKeys", pb.GetEvaluationKeysRequest(sha256=bytes(32))),
        ("GetEvaluationKeys", pb.GetEvaluationKeysRequest(sha256=b"short")),
        ("DeleteEvaluationKeys", pb.DeleteEvaluationKeysRequest(sha256=bytes(32))),
        ("DeleteEvaluationKeys", pb.DeleteEvaluationKeysRequest(sha256=b"")),
        ("InferRow", pb.InferRowRequest()),
        ("InferRow", bad_row),
        *(
            ("InferRow", row_request(wire, spec, keys, **changes))
            for changes in (
                {"model_name": "none"},
                {"model_name": ""},
                {"client_spec_digest": bytes(32)},
                {"client_spec_digest": b"short"},
                {"evaluation_keys": b""},
                {"evaluation_keys": bytes(32)},
                {"evaluation_keys": b"short"},
            )
        ),
        ("PutEvaluationKeys", put()),
        ("PutEvaluationKeys", put(header=header.header)),
        ("PutEvaluationKeys", put(chunk=chunk.chunk)),
        ("PutEvaluationKeys", put(header=header.header, chunk=later)),
        ("PutEvaluationKeys", put(header=header.header, chunk=empty)),
        ("PutEvaluationKeys", put(header=header.header, chunk=large)),
        ("PutEvaluationKeys", put(header=other, chunk=chunk.chunk)),
        ("PutEvaluationKeys", put(header=short, chunk=chunk.chunk)),
    ]
    return [(method, request, {}) for method, request in requests] + [
        ("InferRow", row_request(wire, spec, keys), {"x-request-id": "x" * 64}),
    ]


def test_there_are_as_many_hostile_cases_as_are_claimed(wire, spec, keys):
    cases = (AUTHORIZATIONS, ORIGINS, HTTP_CASES, FORMS, STOPPING, refused_requests(wire, spec, keys))
    assert sum(map(len, cases)) >= 60


def test_refusals_are_those_of_grpc(web, spec, wire, keys, alice):
    refused = 0
    for method, request, more in refused_requests(wire, spec, keys):
        headers = {**alice, **more}
        code, message, retry = outcome(web, method, request, headers)
        answer = post(web, method, request, **{name.replace("-", "_"): value for name, value in headers.items()})
        assert answer.code == code, (method, request)
        if code != "OK":
            refused += 1
            assert answer.message == message
            assert answer.headers["trailer-grpc-retry-pushback-ms"] == retry
            assert answer.headers["access-control-allow-origin"] == ORIGIN
            assert "grpc-retry-pushback-ms" in answer.headers["access-control-expose-headers"]
    assert refused > 20


def test_a_role_is_asked_for(web, spec, wire, tokens):
    headers = {"authorization": f"Bearer {tokens[1]['evaluator']}"}
    header, chunk, *_ = wire.upload_messages(spec, wire.random_keys(spec, 3))
    request = pb.PutEvaluationKeysRequest(header=header.header, chunk=chunk.chunk)
    answer = post(web, "PutEvaluationKeys", request, **headers)
    assert (answer.status, answer.code) == (403, "PERMISSION_DENIED")
    assert outcome(web, "PutEvaluationKeys", request, headers)[0] == "PERMISSION_DENIED"


def test_two_principals_stay_apart(web, spec, wire, keys, alice, mallory):
    absent = {}
    for sha256 in (keys, bytes(32)):
        for method, request in [
            ("GetEvaluationKeys", pb.GetEvaluationKeysRequest(sha256=sha256)),
            ("DeleteEvaluationKeys", pb.DeleteEvaluationKeysRequest(sha256=sha256)),
            ("InferRow", row_request(wire, spec, sha256)),
        ]:
            answer = post(web, method, request, **mallory)
            told = (
                answer.code,
                answer.message.replace(sha256.hex()[:16], "…"),
                answer.headers.get("trailer-grpc-retry-pushback-ms"),
            )
            assert told[0] == "NOT_FOUND"
            assert outcome(web, method, request, mallory)[0] == "NOT_FOUND"
            assert absent.setdefault(method, told) == told, "another's keys are as keys that there are not"
    assert post(web, "InferRow", row_request(wire, spec, keys), **alice).status == 200


AUTHORIZATIONS = {
    "none": None,
    "empty": "",
    "no scheme": "cryptable_00000000_x",
    "another scheme": "Basic dXNlcjpwYXNz",
    "unknown": "Bearer cryptable_00000000_x",
    "no token": "Bearer",
    "two in one": "Bearer a, Bearer b",
}


@pytest.mark.parametrize("authorization", AUTHORIZATIONS.values(), ids=AUTHORIZATIONS)
def test_strangers(web, authorization):
    answer = post(web, "ListModels", pb.ListModelsRequest(), authorization=authorization)
    assert (answer.status, answer.code) == (401, "UNAUTHENTICATED")
    headers = {} if authorization is None else {"authorization": authorization}
    assert outcome(web, "ListModels", pb.ListModelsRequest(), headers)[0] == "UNAUTHENTICATED"


def test_two_tokens_are_none(web, tokens):
    host, port = address_of(web)
    token = tokens[1]["alice"]
    request = (
        f"POST /{SERVICE_NAME}/ListModels HTTP/1.1\r\nHost: {host}:{port}\r\nContent-Type: application/proto\r\n"
        f"Authorization: Bearer {token}\r\nAuthorization: Bearer {token}\r\n"
        "Content-Length: 0\r\nConnection: close\r\n\r\n"
    )
    assert b" 401 " in raw(web, request.encode())


ORIGINS = [
    "https://evil.example.org",
    "https://page.example.org.evil.example.org",
    "https://page.example.org:8443",
    "http://page.example.org",
    "https://PAGE.example.org",
    "https://page.example.org/",
    "null",
    "*",
]


@pytest.mark.parametrize("origin", ORIGINS)
def test_pages_of_other_origins(web, alice, origin):
    answer = post(web, "ListModels", pb.ListModelsRequest(), origin=origin, **alice)
    assert (answer.status, answer.code) == (403, "PERMISSION_DENIED")
    assert "access-control-allow-origin" not in answer.headers
    preflight = post(web, "ListModels", b"", origin=origin, http_method="OPTIONS")
    assert preflight.status == 403
    assert not [name for name in preflight.headers if name.lower().startswith("access-control")]


def test_a_preflight_of_a_named_origin(web):
    answer = post(web, "InferRow", b"", http_method="OPTIONS", access_control_request_method="POST")
    assert answer.status == 204
    assert answer.headers["access-control-allow-methods"] == "POST"
    assert "authorization" in answer.headers["access-control-allow-headers"]
    assert "access-control-allow-credentials" not in answer.headers
    assert int(answer.headers["access-control-max-age"]) >= 600


HTTP_CASES = {
    "get": (405, "", {"http_method": "GET"}),
    "put": (405, "", {"http_method": "PUT"}),
    "head": (405, None, {"http_method": "HEAD"}),
    "no content type": (415, "INVALID_ARGUMENT", {"content_type": None}),
    "json": (415, "INVALID_ARGUMENT", {"content_type": "application/json"}),
    "grpc": (415, "INVALID_ARGUMENT", {"content_type": "application/grpc"}),
    "grpc-web": (415, "INVALID_ARGUMENT", {"content_type": "application/grpc-web+proto"}),
    "a form": (415, "INVALID_ARGUMENT", {"content_type": "application/x-www-form-urlencoded"}),
    "text": (415, "INVALID_ARGUMENT", {"content_type": "text/plain"}),
    "gzip": (415, "UNIMPLEMENTED", {"content_encoding": "gzip"}),
    "brotli": (415, "UNIMPLEMENTED", {"content_encoding": "br"}),
    "a stream's method": (501, "UNIMPLEMENTED", {"path": f"/{SERVICE_NAME}/Infer"}),
    "an upload's method": (501, "UNIMPLEMENTED", {"path": f"/{SERVICE_NAME}/UploadEvaluationKeys"}),
    "no method": (501, "UNIMPLEMENTED", {"path": f"/{SERVICE_NAME}/Nothing"}),
    "the root": (501, "UNIMPLEMENTED", {"path": "/"}),
    "administration": (501, "UNIMPLEMENTED", {"path": "/cryptable.v1.Admin/GetStatus"}),
    "a way up": (501, "UNIMPLEMENTED", {"path": f"/{SERVICE_NAME}/../{SERVICE_NAME}/ListModels"}),
    "a deadline that is past": (504, "DEADLINE_EXCEEDED", {"connect_timeout_ms": "0"}),
    "a deadline that is none": (400, "INVALID_ARGUMENT", {"connect_timeout_ms": "-1"}),
    "a deadline that is huge": (400, "INVALID_ARGUMENT", {"connect_timeout_ms": "9" * 30}),
}


@pytest.mark.parametrize("case", HTTP_CASES.values(), ids=HTTP_CASES)
def test_requests_that_are_no_calls(web, alice, case):
    status, code, options = case
    answer = post(web, "ListModels", pb.ListModelsRequest(), **alice, **options)
    assert answer.status == status
    if code:
        assert answer.code == code


@pytest.mark.parametrize("path", [f"/{SERVICE_NAME}/Nothing", "/cryptable.v1.Admin/GetStatus", "/"])
def test_strangers_are_not_told_what_there_is(web, path):
    assert post(web, "", b"", path=path).status == 401


@pytest.mark.parametrize("body", [b"\xff", b"\x0a\xff\xff\xff\xff\x7f", b"\x0b" * 100])
def test_what_is_no_message(web, alice, body):
    answer = post(web, "GetModel", body, **alice)
    assert (answer.status, answer.code) == (400, "INVALID_ARGUMENT")


def test_a_request_that_is_too_large(web, alice):
    answer = post(web, "PutEvaluationKeys", bytes(4 << 20), **alice)
    assert (answer.status, answer.code) == (429, "RESOURCE_EXHAUSTED")
    request = pb.PutEvaluationKeysRequest(chunk=keys_pb.EvaluationKeysChunk(data=bytes(4 << 20)))
    assert outcome(web, "PutEvaluationKeys", request, alice)[0] == "RESOURCE_EXHAUSTED"


def half_sent(web, alice, length="Content-Length: 100"):
    host, port = address_of(web)
    lines = [
        f"POST /{SERVICE_NAME}/ListModels HTTP/1.1",
        f"Host: {host}:{port}",
        "Content-Type: application/proto",
        f"Authorization: {alice['authorization']}",
        length,
    ]
    return "\r\n".join(lines).encode()


FORMS = {
    "two lengths": ("Content-Length: 0\r\nContent-Length: 4", b"", 400),
    "a length that is none": ("Content-Length: -1", b"", 400),
    "chunks of no length": ("Transfer-Encoding: chunked", b"zz\r\n", 400),
    "chunks without end": ("Transfer-Encoding: chunked", b"800000\r\n" + bytes(1 << 23), 429),
    "another coding": ("Transfer-Encoding: gzip", b"", 501),
    "a folded header": ("X-Folded: a\r\n b\x00", b"", 400),
    "a header of a megabyte": ("X-Large: " + "x" * (1 << 20), b"", 431),
    "two hosts": ("Host: evil.example.org", b"", 400),
    "an origin twice": (f"Origin: {ORIGIN}\r\nOrigin: https://evil.example.org\r\nContent-Length: 0", b"", 403),
}


@pytest.mark.parametrize("form", FORMS.values(), ids=FORMS)
def test_requests_of_bad_form(web, alice, form):
    length, body, status = form
    received = raw(web, half_sent(web, alice, length) + b"\r\nConnection: close\r\n\r\n" + body)
    assert received is not None
    assert received.split(b" ", 2)[1] == b"%d" % status


STOPPING = {
    "nothing": lambda request: b"",
    "a part of the first line": lambda request: request[:20],
    "a part of the headers": lambda request: request[:-5],
    "the preface of HTTP/2": lambda request: b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n",
    "noise": lambda request: bytes(range(256)),
    "TLS to a port without": lambda request: b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03",
}


def test_silent_and_half_sent_connections_are_closed(web, alice):
    """All at once: each may take its seconds."""
    request, found = half_sent(web, alice), {}

    def speak(name, data):
        began = time.monotonic()
        found[name] = raw(web, data, wait=MOST_SECONDS), time.monotonic() - began

    threads = [threading.Thread(target=speak, args=(name, cut(request))) for name, cut in STOPPING.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not [name for name, (received, _) in found.items() if received is None], found


def test_a_body_that_does_not_come_is_late(web, alice):
    with socket.create_connection(address_of(web), timeout=MOST_SECONDS) as connection:
        connection.sendall(half_sent(web, alice) + b"\r\n\r\nhalf")
        assert b" 504 " in connection.recv(65536).split(b"\r\n")[0]


def test_a_caller_who_goes_is_noticed(web, alice):
    with socket.create_connection(address_of(web)) as connection:
        connection.sendall(half_sent(web, alice) + b"\r\nX-Request-Id: gone\r\n\r\nhalf")
        time.sleep(0.2)
    until(lambda: [line for line in web.events("ListModels") if line["status"] == "CANCELLED"], about=web.log.read_text)


def test_calls_are_counted_logged_and_audited_like_grpcs(start, spec, wire, tokens, tmp_path):
    audit = tmp_path / "audit"
    headers = {"authorization": f"Bearer {tokens[1]['alice']}"}
    header, chunk, *_ = wire.upload_messages(spec, wire.random_keys(spec, 4))
    with start(*WEB, "--tokens", tokens[0], "--audit-log", audit, "--max-calls-per-principal", "1") as server:
        post(
            server, "PutEvaluationKeys", pb.PutEvaluationKeysRequest(header=header.header, chunk=chunk.chunk), **headers
        )
        post(server, "ListModels", pb.ListModelsRequest())
        post(server, "ListModels", pb.ListModelsRequest(), origin="https://evil.example.org", **headers)
        lines = [json.loads(line) for line in audit.read_text().splitlines()]
        assert [(line["who"], line["what"], line["outcome"]) for line in lines] == [
            ("token:alice", "PutEvaluationKeys", "OK"),
            ("unknown", "ListModels", "UNAUTHENTICATED"),
            ("unknown", "ListModels", "PERMISSION_DENIED"),
        ]
        assert lines[0]["from"].startswith("ipv4:127.0.0.1:")
        assert server.wait_for("PutEvaluationKeys", status="OK", principal="token:alice")
        with socket.create_connection(address_of(server)) as connection:
            connection.sendall(half_sent(server, headers) + b"\r\n\r\nhalf")
            time.sleep(0.3)
            answer = post(server, "ListModels", pb.ListModelsRequest(), **headers)
            assert (answer.status, answer.code) == (429, "RESOURCE_EXHAUSTED")
            assert answer.headers["trailer-grpc-retry-pushback-ms"] == "1000"
        until(lambda: post(server, "ListModels", pb.ListModelsRequest(), **headers).status == 200)
