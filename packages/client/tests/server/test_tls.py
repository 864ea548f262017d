"""Connections over TLS: to a server whose certificate is vouched for, and to none other."""

import numpy as np
import pytest
from cryptable_client.errors import ServerError
from cryptable_client.server.access import Access
from cryptable_client.server.connection import connect
from cryptable_protocol import InvalidInputError
from cryptography.hazmat.primitives import serialization
from self_signed import self_signed


@pytest.fixture(scope="module")
def certificates():
    return {host: self_signed(host) for host in ("localhost", "elsewhere.example")}


def rows_through(servicer_module, spec, served_with, *, client_root=None, echo=None, **options):
    echo = echo or servicer_module.EchoServicer(spec)
    with (
        servicer_module.serving_with_tls(echo, *served_with, client_root) as address,
        connect(address, model="echo", timeout=5, **options) as remote,
    ):
        return remote.predict([[22.0, 3.0]])


@pytest.mark.parametrize("form", ["bytes", "path"])
def test_a_certificate_that_is_vouched_for(servicer_module, spec_without_lookups, certificates, tmp_path, form):
    certificate, _ = certificates["localhost"]
    (tmp_path / "root.pem").write_bytes(certificate)
    roots = certificate if form == "bytes" else tmp_path / "root.pem"
    answer = rows_through(servicer_module, spec_without_lookups, certificates["localhost"], root_certificates=roots)
    np.testing.assert_array_equal(answer, [[1, 1, 1, 0, 0, 6]])


@pytest.mark.parametrize(
    ("served", "trusted"),
    [("localhost", None), ("localhost", "elsewhere.example"), ("elsewhere.example", "elsewhere.example")],
    ids=["public authorities only", "another root", "certificate of another host"],
)
def test_a_certificate_that_is_not(servicer_module, spec_without_lookups, certificates, served, trusted):
    roots = None if trusted is None else certificates[trusted][0]
    with pytest.raises(ServerError) as caught:
        rows_through(servicer_module, spec_without_lookups, certificates[served], root_certificates=roots)
    assert caught.value.code in ("UNAVAILABLE", "DEADLINE_EXCEEDED")
    if caught.value.code == "UNAVAILABLE" and served != trusted:
        assert "in root_certificates=" in str(caught.value)


def test_no_tls_to_a_server_with_it(servicer_module, spec_without_lookups, certificates):
    with pytest.raises(ServerError):
        rows_through(servicer_module, spec_without_lookups, certificates["localhost"], insecure=True)


@pytest.mark.parametrize("form", ["bytes", "path"])
def test_a_client_shows_its_certificate(servicer_module, spec_without_lookups, certificates, tmp_path, form):
    certificate, key = certificates["elsewhere.example"]
    (tmp_path / "certificate.pem").write_bytes(certificate)
    (tmp_path / "key.pem").write_bytes(key)
    pair = (certificate, key) if form == "bytes" else (tmp_path / "certificate.pem", str(tmp_path / "key.pem"))
    answer = rows_through(
        servicer_module,
        spec_without_lookups,
        certificates["localhost"],
        client_root=certificate,
        root_certificates=certificates["localhost"][0],
        client_certificate=pair[0],
        client_key=pair[1],
    )
    np.testing.assert_array_equal(answer, [[1, 1, 1, 0, 0, 6]])


@pytest.mark.parametrize("shown", [None, "localhost"], ids=["none", "another"])
def test_a_server_that_asks_for_another_certificate(servicer_module, spec_without_lookups, certificates, shown):
    pair = (None, None) if shown is None else certificates[shown]
    with pytest.raises(ServerError):
        rows_through(
            servicer_module,
            spec_without_lookups,
            certificates["localhost"],
            client_root=certificates["elsewhere.example"][0],
            root_certificates=certificates["localhost"][0],
            client_certificate=pair[0],
            client_key=pair[1],
        )


def test_a_token_is_shown_with_every_call(servicer_module, spec, certificates, monkeypatch):
    monkeypatch.setenv("CRYPTABLE_TOKEN", "from-environment")
    for token, shown in ((None, "from-environment"), ("given", "given")):
        echo = servicer_module.EchoServicer(spec)
        roots = certificates["localhost"][0]
        rows_through(servicer_module, spec, certificates["localhost"], echo=echo, root_certificates=roots, token=token)
        assert {"GetModel", "UploadEvaluationKeys", "InferRow", "DeleteEvaluationKeys"} <= set(echo.calls)
        assert {metadata.get("authorization") for metadata in echo.metadata} == {f"Bearer {shown}"}


def test_a_token_over_loopback(echo):
    with connect(echo.address, model="echo", insecure=True, token="secret") as remote:
        remote.predict([[22.0, 3.0]])
    assert {metadata["authorization"] for metadata in echo.metadata} == {"Bearer secret"}
    with connect(echo.address, model="echo", insecure=True):
        assert "authorization" not in echo.metadata[-1]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"address": "model.example.org:1", "insecure": True, "token": "secret"}, "a server on this machine"),
        ({"token": "two words"}, "the token has spaces"),
        ({"token": "line\nbreak"}, "the token has spaces"),
        ({"token": "x" * 8193}, "too long"),
        ({"client_certificate": b"a"}, "go together"),
        ({"client_key": b"a"}, "go together"),
        ({"insecure": True, "client_certificate": b"a", "client_key": b"b"}, "no TLS, so client_certificate"),
    ],
)
def test_access_that_makes_no_sense(options, message):
    with pytest.raises(InvalidInputError, match=message) as caught:
        Access(**{"address": "localhost:1", **options})
    assert "secret" not in str(caught.value)


def test_access_hides_its_secrets():
    shown = repr(Access("localhost:1", token="secret-token", client_certificate=b"public", client_key=b"secret-key"))
    assert "secret" not in shown


def test_client_keys_that_are_none(certificates, tmp_path):
    certificate, key = certificates["localhost"]
    encrypted = serialization.load_pem_private_key(key, None).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.BestAvailableEncryption(b"secret")
    )
    for bad in (b"no key", certificate, encrypted):
        with pytest.raises(InvalidInputError, match="client_key has no unencrypted private key"):
            Access("localhost:1", client_certificate=certificate, client_key=bad).read_client_pair()
    with pytest.raises(InvalidInputError, match=r"client_key=\.\.\. cannot be read"):
        Access("localhost:1", client_certificate=certificate, client_key=tmp_path / "absent").read_client_pair()
