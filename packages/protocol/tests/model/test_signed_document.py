"""Documents that a developer signs: each byte counts, and rows with known answers fit the model that they are for."""

import numpy as np
import pytest
from cryptable_protocol import (
    AffineEncoder,
    CiphertextType,
    ClientSpec,
    Decoder,
    KeysetParameters,
    Link,
    MalformedMessageError,
    SecretKeyParameters,
)
from cryptable_protocol.model.known_answers import KIND, KnownAnswers
from cryptable_protocol.model.signed_document import SignedDocument
from cryptable_protocol.schemes.bootstrapped.parameters import BootstrappedParameters
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

KEY = Ed25519PrivateKey.from_private_bytes(bytes(range(32)))
ARTIFACT = "ab" * 32


@pytest.fixture(scope="module")
def spec():
    parameters = BootstrappedParameters(
        KeysetParameters((SecretKeyParameters(0, 1024),)),
        CiphertextType(2, 0, 5, 0.0),
        CiphertextType(1, 0, 5, 0.0),
        2.0**-40,
    )
    features = (AffineEncoder("a", 0.0, 1.0, 32), AffineEncoder("b", 0.0, 1.0, 32))
    return ClientSpec("m", features, parameters, Decoder(Link.IDENTITY, (0,), 1.0, (0.0,)))


def known(spec, **changes):
    rows = np.array([[0, 31], [5, 6], [7, 8]])
    facts = {
        "model": "m",
        "client_spec": spec.digest.hex(),
        "artifact": ARTIFACT,
        "rows": rows,
        "answers": rows.sum(axis=1, keepdims=True),
        "tolerance": 0,
    }
    return KnownAnswers(**{**facts, **changes})


def test_a_round_trip(spec):
    read = KnownAnswers.from_bytes(known(spec).signed_bytes(KEY))
    read.check_fits(spec, ARTIFACT)
    assert read.rows.tolist() == known(spec).rows.tolist()
    assert read.answers.tolist() == [[31], [11], [15]]
    assert (read.signer, len(read), read.tolerance) == (KEY.public_key().public_bytes_raw().hex(), 3, 0)
    assert "31" not in repr(read).replace(read.signer, "").replace(read.client_spec, "")


def test_every_changed_byte_is_noticed(spec):
    data = known(spec).signed_bytes(KEY)
    for at in range(len(data)):
        for flipped in (1, 0x20):
            changed = data[:at] + bytes([data[at] ^ flipped]) + data[at + 1 :]
            with pytest.raises(MalformedMessageError):
                KnownAnswers.from_bytes(changed)
    for changed in (data[:-1], data + b"\n", b""):
        with pytest.raises(MalformedMessageError):
            KnownAnswers.from_bytes(changed)


def test_a_signature_of_one_kind_is_none_of_another():
    document = SignedDocument.sign(KEY, kind="one", content={"a": 1})
    forged = SignedDocument("two", document.content, document.public_key, document.signature).to_bytes()
    with pytest.raises(MalformedMessageError, match="two: the signature is not that of key"):
        SignedDocument.from_bytes(forged, kind="two", limit=1000)
    with pytest.raises(MalformedMessageError, match="one: the file holds something else"):
        SignedDocument.from_bytes(forged, kind="one", limit=1000)


@pytest.mark.parametrize(
    ("name", "value"),
    [("count", True), ("count", 2), ("count", 0), ("tolerance", -1), ("model", 1), ("rows", "A"), ("rows", "AAAA")],
)
def test_parts_that_are_of_another_kind(spec, name, value):
    content = SignedDocument.from_bytes(known(spec).signed_bytes(KEY), kind=KIND, limit=1 << 20).content
    data = SignedDocument.sign(KEY, kind=KIND, content={**content, name: value}).to_bytes()
    with pytest.raises(MalformedMessageError, match=KIND):
        KnownAnswers.from_bytes(data).check_fits(spec, ARTIFACT)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"artifact": "cd" * 32}, "another version"),
        ({"client_spec": "cd" * 32}, "another model"),
        ({"rows": np.array([[0, 32]] * 3)}, "beyond the input's 5 bits"),
        ({"rows": np.array([[0, -1]] * 3)}, "beyond"),
        ({"rows": np.zeros((3, 3), int)}, "of shape"),
        ({"answers": np.zeros((3, 2), int)}, "of shape"),
    ],
)
def test_rows_that_do_not_fit(spec, changes, message):
    with pytest.raises(MalformedMessageError, match=message):
        KnownAnswers.from_bytes(known(spec, **changes).signed_bytes(KEY)).check_fits(spec, ARTIFACT)
