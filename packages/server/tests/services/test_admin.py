"""What an operator sees of a running server and does to it, by commands, without a restart."""

import io
import json
import logging
import os
import shutil
import signal
import subprocess
import sys
from contextlib import redirect_stderr, redirect_stdout
from pathlib import Path
from types import SimpleNamespace

import grpc
import pytest
from cryptable_protocol.messages import admin as admin_pb
from cryptable_protocol.messages import inference as pb
from cryptable_protocol.service import AdminStub
from cryptable_server.calls.tokens import new_token
from cryptable_server.commands.command_line import main
from cryptable_server.principals import Role
from grpc_health.v1 import health_pb2, health_pb2_grpc
from waiting import until

Status = grpc.StatusCode


def bearer(token):
    return (("authorization", f"Bearer {token}"),)


def refusal(call, *arguments, **options):
    with pytest.raises(grpc.RpcError) as caught:
        call(*arguments, **options)
    return caught.value.code()


@pytest.fixture(scope="module")
def run(start, artifacts, models, tmp_path_factory):
    """A server with three models, one of them bad, two callers, and the command line of its operator."""
    folder = tmp_path_factory.mktemp("admin")
    tokens = folder / "tokens.json"
    secrets = {
        "ops": new_token(tokens, "ops", [Role.ADMIN])[1],
        "alice": new_token(tokens, "alice", [Role.EVALUATE, Role.UPLOAD])[1],
        "bob": new_token(tokens, "bob", [Role.EVALUATE, Role.UPLOAD])[1],
    }
    served = folder / "models"
    shutil.copytree(models, served)
    (served / "bad.cryptable").write_text("garbage")
    options = ["--tokens", tokens, "--watch", "0", "--audit-log", folder / "audit.jsonl"]
    with start(*options, models=served) as server:

        def command(*arguments, who="ops", status=0):
            """What the command writes, run in this process: a new one takes a second of CPU to import gRPC."""
            out, err, handlers = io.StringIO(), io.StringIO(), logging.getLogger().handlers[:]
            with pytest.MonkeyPatch.context() as patch, redirect_stdout(out), redirect_stderr(err):
                patch.setenv("CRYPTABLE_TOKEN", secrets.get(who, ""))
                ended = main([*arguments, "--address", server.address, "--insecure"])
            logging.getLogger().handlers[:] = handlers
            assert ended == status, err.getvalue()
            return err.getvalue() if status else out.getvalue()

        yield SimpleNamespace(
            command=command,
            server=server,
            folder=served,
            people={name: bearer(secret) for name, secret in secrets.items()},
            audit=folder / "audit.jsonl",
        )


@pytest.fixture(scope="module")
def keys(run, artifacts):
    """Of alice and of bob, the same bytes; alice's have been used."""
    spec = artifacts["tables"].client_spec
    for name in ("alice", "bob"):
        sha256 = run.server.upload(spec, metadata=run.people[name])
    run.server.infer(spec, sha256, metadata=run.people["alice"])
    return sha256


def versions(run):
    found = json.loads(run.command("models", "list", "--json"))["models"]
    return {model["file"].removesuffix(".cryptable"): model for model in found}


def test_status(run, keys, artifacts):
    size = artifacts["tables"].client_spec.parameters.keyset.evaluation_keys_bytes
    found = json.loads(run.command("status", "--json"))
    assert found["draining"] is False
    assert (found["workers_up"], found["workers"], found["worker_deaths"]) == (1, 1, "0")
    assert (found["rows_evaluated"], found["key_cache_hits"], found["key_cache_misses"]) == ("1", "0", "1")
    assert (found["stored_keys"], found["stored_keys_bytes"]) == ("2", str(2 * size))
    assert (found["models_served"], found["models_unloaded"], found["models_refused"]) == (2, 0, 1)
    assert found["uptime_seconds"] > 0
    text = run.command("status")
    for line in ("serving, up ", "workers  1 of 1 up, 0 died", "models   2 served, 0 unloaded or withdrawn, 1 refused"):
        assert line in text


def test_keys_are_listed_by_principal_with_their_last_use(run, keys):
    found = json.loads(run.command("keys", "list", "--json"))["keys"]
    assert [entry["principal"] for entry in found] == ["token:alice", "token:bob"]
    assert found[0]["unused_seconds"] < found[1]["unused_seconds"]
    (line,) = run.command("keys", "list", "--principal", "token:bob").splitlines()
    assert line.startswith(f"token:bob  {keys.hex()}  ")
    assert "unused for" in line


def test_keys_of_one_principal_are_deleted_and_nobody_elses(run, keys):
    spec_keys = pb.GetEvaluationKeysRequest(sha256=keys)
    assert "of 'token:carol'" in run.command("keys", "delete", "token:carol", "--all", status=7)
    assert run.command("keys", "delete", "token:bob", "--sha256", keys.hex()) == "1 deleted\n"
    assert refusal(run.server.stub.GetEvaluationKeys, spec_keys, metadata=run.people["bob"]) == Status.NOT_FOUND
    assert run.server.stub.GetEvaluationKeys(spec_keys, metadata=run.people["alice"]).size
    assert "64 hexadecimal digits" in run.command("keys", "delete", "token:bob", "--sha256", "abc", status=2)


def test_models_are_listed_unloaded_and_loaded(run, artifacts):
    spec = artifacts["linear"].client_spec
    found = versions(run)
    assert {name: model["state"].removeprefix("MODEL_STATE_") for name, model in found.items()} == {
        "bad": "REFUSED",
        "linear": "SERVED",
        "tables": "SERVED",
    }
    assert found["bad"]["reason"]
    assert found["linear"]["aliases"] == ["latest"]
    alice = run.people["alice"]
    health = health_pb2_grpc.HealthStub(run.server.channel)
    asked = health_pb2.HealthCheckRequest(service="cryptable.v1.Inference/linear")

    run.command("models", "unload", "linear")
    assert versions(run)["linear"]["state"] == "MODEL_STATE_UNLOADED"
    assert refusal(run.server.stub.GetModel, pb.GetModelRequest(name="linear"), metadata=alice) == Status.NOT_FOUND
    assert health.Check(asked).status == health_pb2.HealthCheckResponse.NOT_SERVING
    assert "NOT_SERVING" in run.command("health", "--model", "linear", who="nobody", status=8)
    run.command("models", "load", "linear", "1")
    assert health.Check(asked).status == health_pb2.HealthCheckResponse.SERVING
    assert len(run.server.infer(spec, metadata=alice)) == 1
    assert len(run.server.workers()) == 1  # it has not been started again

    for verb in ("load", "unload"):
        assert "there is no model 'none'" in run.command("models", verb, "none", status=7)


def test_models_are_reloaded_with_aliases_limits_and_withdrawals(run, artifacts, wire):
    spec, alice = artifacts["linear"].client_spec, run.people["alice"]
    settings = run.folder / "models.toml"
    settings.write_text('[linear]\naliases = { stable = "1" }\nmax-rows = 1\n[tables]\nwithdrawn = ["1"]\n')
    lines = [line.split() for line in run.command("models", "reload").splitlines()]
    assert [line[:3] for line in lines if line[0] == "tables"] == [["tables", "1", "withdrawn"]]
    found = versions(run)
    assert found["tables"]["state"] == "MODEL_STATE_WITHDRAWN"
    assert (found["linear"]["aliases"], found["linear"]["max_rows"]) == (["latest", "stable"], 1)
    answer = run.server.stub.GetModel(pb.GetModelRequest(name="linear", version="stable"), metadata=alice)
    assert answer.version == "1"
    with pytest.raises(grpc.RpcError) as caught:
        run.server.infer(spec, rows=2, metadata=alice)
    assert caught.value.code() == Status.RESOURCE_EXHAUSTED
    assert "models.toml withdraws" in run.command("models", "load", "tables", "1", status=7)

    settings.write_text("[linear]\nmax-row = 1\n")
    assert "did you mean max-rows?" in run.command("models", "reload", status=7)
    assert versions(run)["linear"]["max_rows"] == 1  # what was there goes on
    settings.unlink()
    run.command("models", "reload")
    assert versions(run)["tables"]["state"] == "MODEL_STATE_SERVED"


METHODS = {
    "GetStatus": admin_pb.GetStatusRequest(),
    "ListModelVersions": admin_pb.ListModelVersionsRequest(),
    "LoadModel": admin_pb.LoadModelRequest(name="linear"),
    "UnloadModel": admin_pb.UnloadModelRequest(name="linear"),
    "ReloadModels": admin_pb.ReloadModelsRequest(),
    "ListStoredKeys": admin_pb.ListStoredKeysRequest(),
    "DeleteStoredKeys": admin_pb.DeleteStoredKeysRequest(principal="token:alice"),
}


def test_every_method_takes_the_role(run):
    assert set(METHODS) == {method.name for method in admin_pb.DESCRIPTOR.services_by_name["Admin"].methods}
    stub = AdminStub(run.server.channel)
    for name, request in METHODS.items():
        assert refusal(getattr(stub, name), request) == Status.UNAUTHENTICATED
        assert refusal(getattr(stub, name), request, metadata=run.people["alice"]) == Status.PERMISSION_DENIED
    # And it is no other role: whoever administers has no keys of their own to delete.
    request, ops = pb.DeleteEvaluationKeysRequest(sha256=bytes(32)), run.people["ops"]
    assert refusal(run.server.stub.DeleteEvaluationKeys, request, metadata=ops) == Status.PERMISSION_DENIED


def test_an_open_server_has_no_administrator(server):
    assert refusal(AdminStub(server.channel).GetStatus, admin_pb.GetStatusRequest()) == Status.PERMISSION_DENIED


def test_exit_statuses(run):
    assert "UNAUTHENTICATED" in run.command("status", who="nobody", status=6)
    assert "PERMISSION_DENIED" in run.command("status", who="alice", status=6)
    assert run.command("health", who="nobody") == "SERVING\n"
    assert json.loads(run.command("health", "--json", who="nobody")) == {"status": "SERVING"}
    options = ["status", "--address", "127.0.0.1:1", "--insecure", "--timeout", "5"]
    done = subprocess.run([sys.executable, "-m", "cryptable_server", *options], capture_output=True, text=True)
    assert done.returncode == 5
    assert "127.0.0.1:1" in done.stderr
    assert "Traceback" not in done.stderr


def test_administrators_are_audited(run, artifacts):
    before = len(Path(run.audit).read_text().splitlines())
    mine = run.server.upload(artifacts["tables"].client_spec, seed=1, metadata=run.people["bob"])
    run.command("models", "list")
    run.command("models", "load", "linear")
    run.command("models", "load", "linear", who="alice", status=6)
    run.command("keys", "delete", "token:bob", "--sha256", mine.hex())
    lines = [json.loads(line) for line in Path(run.audit).read_text().splitlines()[before:]]
    assert [(line["who"], line["what"], line["outcome"]) for line in lines] == [
        ("token:bob", "UploadEvaluationKeys", "OK"),
        ("token:ops", "ListModelVersions", "OK"),
        ("token:ops", "LoadModel", "OK"),
        ("token:alice", "LoadModel", "PERMISSION_DENIED"),
        ("token:ops", "DeleteStoredKeys", "OK"),
    ]
    deleted = lines[-1]
    assert (deleted["of"], deleted["keys"], deleted["deleted"]) == ("token:bob", mine.hex()[:16], 1)


def test_a_server_that_drains_says_so_until_its_last_row_is_answered(run, artifacts, wire):
    """The last test here: the server does not outlive it."""
    spec, (worker,) = artifacts["linear"].client_spec, run.server.workers()
    os.kill(worker, signal.SIGSTOP)
    stream = run.server.stub.Infer(wire.infer_messages(spec), metadata=run.people["alice"])
    try:
        until(lambda: json.loads(run.command("status", "--json"))["queue_rows"])
        run.server.process.terminate()
        run.server.wait_for("draining")
        assert ", draining, up " in run.command("status")
        assert refusal(run.server.stub.ListModels, pb.ListModelsRequest(), metadata=run.people["alice"]) == (
            Status.UNAVAILABLE
        )
        assert "NOT_SERVING" in run.command("health", status=8)
    finally:
        os.kill(worker, signal.SIGCONT)
    assert [answer.row for answer in stream] == [0]
    assert run.server.process.wait(60) == 0
