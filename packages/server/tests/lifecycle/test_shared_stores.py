"""Two servers with one object store: keys uploaded to one serve at the other, and models come from it."""

import grpc
import object_stores
import pytest
from cryptable_server.objects.places import open_place
from waiting import until


@pytest.fixture(scope="module")
def url():
    with object_stores.object_server() as url:
        yield url


def test_two_servers_share_keys_and_models(url, artifacts, models, start, tmp_path, monkeypatch):
    for name, value in object_stores.CREDENTIALS.items():
        monkeypatch.setenv(name, value)
    keys, served = object_stores.new_place(url), object_stores.new_place(url)
    shelf = open_place(served, url, "--model-store")
    shelf.put("tables.cryptable", models / "tables.cryptable")
    shelf.put("notes.txt", b"not a model")
    options = ["--key-store", keys, "--model-store", served, "--store-endpoint", url, "--watch", "0.2"]
    tables, linear = (artifacts[name].client_spec for name in ("tables", "linear"))
    copies = [tmp_path / "models-0", tmp_path / "models-1"]
    with start(*options, models=copies[0]) as one, start(*options, "--log-level", "DEBUG", models=copies[1]) as other:
        digest = one.upload(tables)
        assert len(other.infer(tables, digest, rows=2)) == 2
        assert len(one.infer(tables, digest, rows=2)) == 2
        assert sorted(path.name for path in copies[1].iterdir() if path.name[0] != ".") == ["tables.cryptable"]

        other.stub.DeleteEvaluationKeys(_deletion(digest))
        with pytest.raises(grpc.RpcError, match="NOT_FOUND"):
            other.infer(tables, digest)
        until(lambda: _is_gone(one, tables, digest), about=one.log.read_text)

        shelf.put("linear.cryptable", models / "linear.cryptable")
        until(lambda: _serves(one, linear) and _serves(other, linear), about=one.log.read_text)
        shelf.remove("linear.cryptable")
        until(lambda: not _serves(one, linear), about=one.log.read_text)
    for server in (one, other):
        said = server.log.read_text()
        assert not any(value in said for name, value in object_stores.CREDENTIALS.items() if "KEY" in name)


def _deletion(digest):
    from cryptable_protocol.messages import inference as pb

    return pb.DeleteEvaluationKeysRequest(sha256=digest)


def _is_gone(server, spec, digest):
    try:
        server.infer(spec, digest)
    except grpc.RpcError as error:
        return error.code() is grpc.StatusCode.NOT_FOUND
    return False


def _serves(server, spec):
    try:
        return len(server.infer(spec)) == 1
    except grpc.RpcError as error:
        if error.code() is grpc.StatusCode.NOT_FOUND:
            return False
        raise
