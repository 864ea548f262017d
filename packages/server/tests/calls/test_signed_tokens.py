"""Signed tokens: whose they are by signature, issuer, audience and expiry; on a server, over gRPC and HTTP alike."""

import base64
import hashlib
import hmac
import json
import time

import grpc
import jwt
import pytest
from cryptable_protocol.messages import inference as pb
from cryptable_server.calls.signed_tokens import SignedTokens
from cryptable_server.errors import ConfigurationError
from cryptography.hazmat.primitives.asymmetric import ec, rsa
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from web_calls import ORIGIN, post

ISSUER, AUDIENCE = "https://login.example.org", "models"
PRIVATE = {
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "EdDSA": Ed25519PrivateKey.generate(),
    "RS256": rsa.generate_private_key(65537, 2048),
}
OTHER = ec.generate_private_key(ec.SECP256R1())


def public(algorithm, key=None, **more):
    entry = jwt.get_algorithm_by_name(algorithm).to_jwk((key or PRIVATE[algorithm]).public_key(), as_dict=True)
    return {**entry, "kid": algorithm, "alg": algorithm, **more}


def write(path, *entries):
    path.write_text(json.dumps({"keys": list(entries)}))
    path.chmod(0o644)
    return path


def token(algorithm="ES256", *, key=None, headers=None, **changes):
    claims = {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "exp": time.time() + 300, **changes}
    claims = {name: value for name, value in claims.items() if value is not None}
    return jwt.encode(claims, key or PRIVATE[algorithm], algorithm, headers={"kid": algorithm, **(headers or {})})


@pytest.fixture
def tokens(tmp_path):
    path = write(tmp_path / "keys.json", *map(public, PRIVATE))
    return SignedTokens(path, issuer=ISSUER, audience=AUDIENCE)


@pytest.mark.parametrize("algorithm", PRIVATE)
def test_the_subject_is_the_principal(tokens, algorithm):
    assert tokens.find(token(algorithm)).name == "jwt:alice"
    assert tokens.find(token(algorithm, aud=[AUDIENCE, "others"])).name == "jwt:alice"


def unsigned():
    parts = [{"alg": "none", "typ": "JWT"}, {"iss": ISSUER, "aud": AUDIENCE, "sub": "alice", "exp": time.time() + 300}]
    return ".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=").decode() for part in parts) + "."


def signed_with_the_public_key_as_secret():
    """The old trick: a public key taken for the secret of an HMAC."""
    head, claims, _ = token().split(".")
    head = base64.urlsafe_b64encode(json.dumps({"alg": "HS256", "kid": "ES256"}).encode()).rstrip(b"=").decode()
    mac = hmac.new(json.dumps(public("ES256")).encode(), f"{head}.{claims}".encode(), hashlib.sha256).digest()
    return f"{head}.{claims}.{base64.urlsafe_b64encode(mac).rstrip(b'=').decode()}"


REFUSED = {
    "expired": lambda: token(exp=time.time() - 60),
    "not valid yet": lambda: token(nbf=time.time() + 600),
    "never expires": lambda: token(exp=None),
    "for others": lambda: token(aud="others"),
    "for nobody": lambda: token(aud=None),
    "by another issuer": lambda: token(iss="https://evil.example.org"),
    "by no issuer": lambda: token(iss=None),
    "of nobody": lambda: token(sub=None),
    "of an empty subject": lambda: token(sub=""),
    "of a subject with a line break": lambda: token(sub="a\nb"),
    "of a long subject": lambda: token(sub="a" * 257),
    "signed by another key": lambda: token(key=OTHER),
    "of an unknown key": lambda: token(headers={"kid": "nothing"}),
    "of another key's name": lambda: token(headers={"kid": "RS256"}),
    "unsigned": unsigned,
    "signed by the public key": signed_with_the_public_key_as_secret,
    "changed": lambda: token()[:-4] + "AAAA",
    "no token": lambda: "a.b.c",
    "not even that": lambda: "",
    "huge": lambda: token(more="x" * 9000),
}


@pytest.mark.parametrize("make", REFUSED.values(), ids=REFUSED)
def test_what_is_refused(tokens, make):
    assert tokens.find(make()) is None


def test_keys_are_read_again_when_they_change(tmp_path):
    path = write(tmp_path / "keys.json", public("ES256"))
    tokens = SignedTokens(path, issuer=ISSUER, audience=AUDIENCE)
    old = token()
    assert tokens.find(old)
    write(path, public("ES256", OTHER))
    assert tokens.find(old) is None
    assert tokens.find(token(key=OTHER))
    path.write_text("no JSON")
    assert tokens.find(token(key=OTHER)) is None
    write(path, public("ES256"))
    assert tokens.find(old)


@pytest.mark.parametrize(
    "content",
    [
        "",
        "[]",
        '{"keys": []}',
        json.dumps({"keys": [{"kty": "oct", "k": "c2VjcmV0", "alg": "HS256"}]}),
        json.dumps({"keys": [{"kty": "EC", "crv": "P-256"}]}),
        json.dumps({"keys": [public("ES256") | {"d": "secret"}]}),
    ],
    ids=["nothing", "a list", "no keys", "a symmetric key", "half a key", "a private key"],
)
def test_files_that_hold_no_public_keys(tmp_path, content):
    path = tmp_path / "keys.json"
    path.write_text(content)
    path.chmod(0o644)
    with pytest.raises(ConfigurationError, match="jwt-keys"):
        SignedTokens(path, issuer=ISSUER, audience=AUDIENCE)


def test_a_file_that_others_may_write_to(tmp_path):
    path = write(tmp_path / "keys.json", public("ES256"))
    path.chmod(0o666)
    with pytest.raises(ConfigurationError, match="write"):
        SignedTokens(path, issuer=ISSUER, audience=AUDIENCE)


def code_over_grpc(server, bearer):
    try:
        server.stub.ListModels(pb.ListModelsRequest(), metadata=(("authorization", f"Bearer {bearer}"),))
    except grpc.RpcError as error:
        return error.code().name
    return "OK"


def test_over_grpc_and_http_alike(start, tmp_path):
    path = write(tmp_path / "keys.json", public("ES256"))
    options = ("--jwt-keys", path, "--jwt-issuer", ISSUER, "--jwt-audience", AUDIENCE)
    with start(*options, "--web-address", "127.0.0.1:0", "--web-origins", ORIGIN) as server:
        for make, code in [(token, "OK"), *((REFUSED[name], "UNAUTHENTICATED") for name in list(REFUSED)[:17])]:
            bearer = make()
            assert code_over_grpc(server, bearer) == code
            answer = post(server, "ListModels", pb.ListModelsRequest(), authorization=f"Bearer {bearer}")
            assert answer.code == code
        assert server.wait_for("ListModels", status="OK", principal="jwt:alice")
