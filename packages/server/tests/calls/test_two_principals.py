"""One principal tries to use, list, probe and delete what is another's; strangers try everything."""

import time

import grpc
import pytest
from cryptable_protocol import EvaluationKeysHeader
from cryptable_protocol.messages import admin as admin_pb
from cryptable_protocol.messages import inference as pb
from cryptable_protocol.service import ADMIN_SERVICE_NAME, SERVICE_NAME, AdminStub
from cryptable_server.calls.tokens import new_token, revoke_token
from cryptable_server.principals import USUAL_ROLES, Role
from grpc_health.v1 import health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection_pb2, reflection_pb2_grpc
from waiting import until

Status = grpc.StatusCode
ABSENT = bytes(range(32))
QUOTA_BYTES = 50_000


def bearer(token):
    return (("authorization", f"Bearer {token}"),)


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """The file of tokens, and metadata of callers."""
    path = tmp_path_factory.mktemp("tokens") / "tokens.json"
    tokens = {name: new_token(path, name, USUAL_ROLES)[1] for name in ("alice", "mallory", "revoked")}
    tokens["reader"] = new_token(path, "reader", [])[1]
    tokens["evaluator"] = new_token(path, "evaluator", [Role.EVALUATE])[1]
    tokens["uploader"] = new_token(path, "uploader", [Role.UPLOAD])[1]
    revoke_token(path, tokens["revoked"].split("_")[1])
    return path, {name: bearer(token) for name, token in tokens.items()}


@pytest.fixture(scope="module")
def guarded(start, people):
    with start("--tokens", people[0], "--key-quota-per-principal", str(QUOTA_BYTES / 2**30)) as server:
        yield server


@pytest.fixture(scope="module")
def spec(artifacts):
    return artifacts["tables"].client_spec


@pytest.fixture(scope="module")
def keys(guarded, people, spec):
    """Alice's, which she uses, so that they are in a worker's memory too."""
    made = guarded.upload(spec, metadata=people[1]["alice"])
    guarded.infer(spec, made, metadata=people[1]["alice"])
    return made


def outcome(call):
    """Status and what else a caller can tell two refusals apart by, but for the request's id and the digest."""
    try:
        result = call()
    except grpc.RpcError as error:
        trailers = {key: value for key, value in error.trailing_metadata() if key != "x-request-id"}
        return error.code(), error.details().partition(" [request")[0], trailers
    return Status.OK, result, {}


def infer(p, spec, keys, *rows, **changes):
    messages = [p.wire.infer_header(spec, keys, **changes), *rows]
    return lambda: list(p.server.stub.Infer(iter(messages), metadata=p.metadata, timeout=60))


def get(p, sha256):
    return lambda: p.server.stub.GetEvaluationKeys(pb.GetEvaluationKeysRequest(sha256=sha256), metadata=p.metadata)


def delete(p, sha256):
    return lambda: p.server.stub.DeleteEvaluationKeys(
        pb.DeleteEvaluationKeysRequest(sha256=sha256), metadata=p.metadata
    )


class Caller:
    def __init__(self, server, wire, metadata):
        self.server, self.wire, self.metadata = server, wire, metadata


ATTEMPTS = {
    "get": lambda p, spec, keys: get(p, keys),
    "delete": lambda p, spec, keys: delete(p, keys),
    "infer without rows": lambda p, spec, keys: infer(p, spec, keys),
    "infer a row": lambda p, spec, keys: infer(p, spec, keys, p.wire.row_of(spec)),
    "infer many rows": lambda p, spec, keys: infer(p, spec, keys, *(p.wire.row_of(spec, n) for n in range(5))),
    "infer with garbage": lambda p, spec, keys: infer(p, spec, keys, pb.InferRequest()),
    "infer with another spec": lambda p, spec, keys: infer(p, spec, keys, client_spec_digest=bytes(32)),
    "infer with another model": lambda p, spec, keys: infer(p, spec, keys, model_name="none"),
    "infer with the model that needs none": lambda p, spec, keys: infer(p, p.linear, keys, p.wire.row_of(p.linear)),
    "upload a header of": lambda p, spec, keys: (
        lambda: p.server.stub.UploadEvaluationKeys(
            iter(
                [
                    pb.UploadEvaluationKeysRequest(
                        header=EvaluationKeysHeader(
                            spec.parameters.keyset.name, spec.parameters.keyset.evaluation_keys_bytes, keys
                        ).to_message()
                    )
                ]
            ),
            metadata=p.metadata,
        )
    ),
}
DISGUISES = {
    "mallory": lambda own: own,
    "mallory, scheme in capitals": lambda own: ((own[0][0], own[0][1].replace("Bearer", "BEARER")),),
    "mallory, claiming to be alice": lambda own: (*own, ("principal", "token:alice"), ("x-principal", "alice")),
    "mallory, with alice's common name": lambda own: (*own, ("x509_common_name", "alice"), ("x-user", "alice")),
    "mallory, forwarded": lambda own: (*own, ("x-forwarded-for", "127.0.0.1"), ("x-request-id", "alice")),
}


def test_there_are_as_many_attempts_as_are_claimed():
    assert len(ATTEMPTS) * len(DISGUISES) >= 50


@pytest.mark.parametrize("disguise", DISGUISES)
@pytest.mark.parametrize("attempt", ATTEMPTS)
def test_another_principals_keys_are_as_if_they_were_not_there(
    guarded, people, spec, keys, artifacts, wire, attempt, disguise
):
    """Each of 50 attempts is answered as for a digest that nobody has stored."""
    mallory = Caller(guarded, wire, DISGUISES[disguise](people[1]["mallory"]))
    mallory.linear = artifacts["linear"].client_spec
    status, details, trailers = outcome(ATTEMPTS[attempt](mallory, spec, keys))
    expected, expected_details, expected_trailers = outcome(ATTEMPTS[attempt](mallory, spec, ABSENT))
    assert status != Status.OK
    assert (status, trailers) == (expected, expected_trailers)
    assert details.replace(keys.hex()[:16], "") == expected_details.replace(ABSENT.hex()[:16], "")


ADMIN_ATTEMPTS = {
    "ListStoredKeys": lambda sha256: admin_pb.ListStoredKeysRequest(principal="token:alice"),
    "DeleteStoredKeys": lambda sha256: admin_pb.DeleteStoredKeysRequest(principal="token:alice", sha256=sha256),
    "UnloadModel": lambda sha256: admin_pb.UnloadModelRequest(name="tables", version="1"),
    "ListModelVersions": lambda sha256: admin_pb.ListModelVersionsRequest(),
    "GetStatus": lambda sha256: admin_pb.GetStatusRequest(),
}


@pytest.mark.parametrize("method", ADMIN_ATTEMPTS)
@pytest.mark.parametrize("disguise", DISGUISES)
def test_an_administrators_methods_tell_another_caller_nothing(guarded, people, keys, method, disguise):
    call, metadata = getattr(AdminStub(guarded.channel), method), DISGUISES[disguise](people[1]["mallory"])
    requests = [ADMIN_ATTEMPTS[method](sha256) for sha256 in (keys, ABSENT)]
    answers = [outcome(lambda request=request: call(request, metadata=metadata)) for request in requests]
    assert answers[0] == answers[1]
    assert answers[0][0] == Status.PERMISSION_DENIED


def test_after_all_that_the_owner_still_has_them(guarded, people, spec, keys):
    assert guarded.stub.GetEvaluationKeys(pb.GetEvaluationKeysRequest(sha256=keys), metadata=people[1]["alice"]).size
    assert len(guarded.infer(spec, keys, metadata=people[1]["alice"])) == 1


def test_the_same_bytes_are_stored_twice_and_deleted_once(guarded, people, spec, keys):
    alice, mallory = people[1]["alice"], people[1]["mallory"]
    # Uploading what another has is neither refused nor shortened.
    assert guarded.upload(spec, metadata=mallory) == keys
    assert len(list(guarded.keys.rglob(f"{keys.hex()}*"))) == 2
    assert len(guarded.infer(spec, keys, metadata=mallory)) == 1
    guarded.stub.DeleteEvaluationKeys(pb.DeleteEvaluationKeysRequest(sha256=keys), metadata=mallory)
    assert len(guarded.infer(spec, keys, metadata=alice)) == 1
    with pytest.raises(grpc.RpcError) as caught:
        guarded.infer(spec, keys, metadata=mallory)
    assert caught.value.code() == Status.NOT_FOUND


def stored(guarded, sha256, metadata):
    """Whether a caller's keys are there."""
    status = outcome(get(Caller(guarded, None, metadata), sha256))[0]
    assert status in (Status.OK, Status.NOT_FOUND)
    return status == Status.OK


def test_a_full_quota_is_one_principals_own(guarded, people, spec):
    """Who uploads more than fits loses keys of their own, those that they used longest ago, and nobody else's."""
    alice, mallory = people[1]["alice"], people[1]["mallory"]
    other = guarded.upload(spec, seed=98, metadata=alice)
    fitting = QUOTA_BYTES // spec.parameters.keyset.evaluation_keys_bytes
    assert fitting > 3
    made = [guarded.upload(spec, seed=100 + number, metadata=mallory) for number in range(fitting + 2)]
    assert [stored(guarded, sha256, mallory) for sha256 in made] == [False] * 2 + [True] * fitting
    assert stored(guarded, other, alice)
    for sha256, metadata in [*((sha256, mallory) for sha256 in made[2:]), (other, alice)]:
        guarded.stub.DeleteEvaluationKeys(pb.DeleteEvaluationKeysRequest(sha256=sha256), metadata=metadata)


STRANGERS = {
    "no token": lambda people: None,
    "an empty token": lambda people: bearer(""),
    "another token": lambda people: bearer("cryptable_00000000_" + "x" * 43),
    "a revoked token": lambda people: people["revoked"],
    "no scheme": lambda people: (("authorization", people["alice"][0][1].removeprefix("Bearer ")),),
    "another scheme": lambda people: (("authorization", people["alice"][0][1].replace("Bearer", "Basic")),),
    "two tokens": lambda people: people["alice"] + people["mallory"],
    "another name": lambda people: (("x-authorization", people["alice"][0][1]),),
}
KINDS = {
    "ListModels": "unary_unary",
    "GetModel": "unary_unary",
    "GetEvaluationKeys": "unary_unary",
    "DeleteEvaluationKeys": "unary_unary",
    "UploadEvaluationKeys": "stream_unary",
    "Infer": "stream_stream",
    "Nothing": "unary_unary",
}


@pytest.mark.parametrize("stranger", STRANGERS)
def test_a_stranger_may_ask_for_health_alone(guarded, people, stranger):
    metadata = STRANGERS[stranger](people[1])
    channel = guarded.channel
    for method, kind in KINDS.items():
        request = b"" if kind == "unary_unary" else iter([b""])
        call = getattr(channel, kind)(f"/{SERVICE_NAME}/{method}")
        assert outcome(lambda call=call, request=request: list(call(request, metadata=metadata, timeout=20)))[0] == (
            Status.UNAUTHENTICATED
        ), method
    for method in [method.name for method in admin_pb.DESCRIPTOR.services_by_name["Admin"].methods]:
        call = channel.unary_unary(f"/{ADMIN_SERVICE_NAME}/{method}")
        assert outcome(lambda call=call: call(b"", metadata=metadata, timeout=20))[0] == Status.UNAUTHENTICATED, method
    with pytest.raises(grpc.RpcError) as caught:
        reflect(channel, metadata)
    assert caught.value.code() == Status.UNAUTHENTICATED
    answer = health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), metadata=metadata)
    assert answer.status == health_pb2.HealthCheckResponse.SERVING


def reflect(channel, metadata):
    request = reflection_pb2.ServerReflectionRequest(list_services="")
    stub = reflection_pb2_grpc.ServerReflectionStub(channel)
    return list(stub.ServerReflectionInfo(iter([request]), metadata=metadata, timeout=20))


def test_who_is_known_may_reflect(guarded, people):
    (answer,) = reflect(guarded.channel, people[1]["reader"])
    assert SERVICE_NAME in [service.name for service in answer.list_services_response.service]
    with pytest.raises(grpc.RpcError) as caught:
        guarded.channel.unary_unary(f"/{SERVICE_NAME}/Nothing")(b"", metadata=people[1]["reader"])
    assert caught.value.code() == Status.UNIMPLEMENTED


def test_roles(guarded, people, spec, artifacts, wire):
    linear = artifacts["linear"].client_spec
    for name, may_evaluate, may_upload in [
        ("reader", False, False),
        ("evaluator", True, False),
        ("uploader", False, True),
    ]:
        caller = Caller(guarded, wire, people[1][name])
        assert guarded.stub.GetModel(pb.GetModelRequest(name="linear"), metadata=caller.metadata).client_spec
        status = outcome(infer(caller, linear, b"", wire.row_of(linear)))[0]
        assert (status == Status.OK) == may_evaluate
        assert may_evaluate or status == Status.PERMISSION_DENIED
        status = outcome(delete(caller, ABSENT))[0]
        assert status == (Status.NOT_FOUND if may_upload else Status.PERMISSION_DENIED)
        if not may_upload:
            assert outcome(lambda caller=caller: guarded.upload(spec, metadata=caller.metadata))[0] == status


def test_calls_are_logged_with_their_principal_and_without_tokens(guarded, people):
    guarded.stub.ListModels(pb.ListModelsRequest(), metadata=people[1]["alice"])
    assert guarded.wait_for("ListModels", status="OK", principal="token:alice")
    log = guarded.log.read_text()
    for metadata in people[1].values():
        assert metadata[0][1].split("_", 2)[2] not in log
    assert "Traceback" not in log


def test_what_a_stranger_asked_for_is_in_the_log(guarded):
    """Some of it: of strangers' many calls the log leaves out some, so one asks again and again."""
    asked_for = "/grpc.reflection.v1alpha.ServerReflection/Some"
    call = guarded.channel.unary_unary(asked_for)

    def told():
        assert outcome(lambda: call(b"", timeout=20))[0] == Status.UNAUTHENTICATED
        time.sleep(0.05)  # the server writes a call's line after its answer
        return [line for line in guarded.events("refused") if line["asked_for"] == asked_for]

    until(told)
    assert {line["status"] for line in told()} == {"UNAUTHENTICATED"}


def test_a_token_revoked_while_the_server_runs_is_refused(guarded, people):
    path, _ = people
    token, secret = new_token(path, "guest", USUAL_ROLES)
    assert guarded.stub.ListModels(pb.ListModelsRequest(), metadata=bearer(secret)).models
    revoke_token(path, token.identity)
    with pytest.raises(grpc.RpcError) as caught:
        guarded.stub.ListModels(pb.ListModelsRequest(), metadata=bearer(secret))
    assert caught.value.code() == Status.UNAUTHENTICATED
