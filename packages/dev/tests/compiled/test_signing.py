"""Signing keys, and artifacts signed with them."""

import os

import cryptable as ct
import numpy as np
import pytest
from cryptable.__main__ import main
from cryptable.compiled.signing import make_signing_key, read_signing_key
from cryptable_protocol import InvalidInputError, ModelArtifact
from cryptable_protocol.model.known_answers import KnownAnswers
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import ec
from sklearn.datasets import load_iris
from sklearn.linear_model import LinearRegression

ROWS, TARGET = load_iris(return_X_y=True)


@pytest.fixture(scope="module")
def model():
    return ct.compile(LinearRegression().fit(ROWS[:, :2], TARGET), ROWS[:, :2], name="signed")


@pytest.mark.parametrize("passphrase", [None, "correct horse"])
def test_a_model_is_signed_when_it_is_saved(model, tmp_path, passphrase):
    public = make_signing_key(tmp_path / "key.pem", passphrase=passphrase)
    model.save(tmp_path / "a", signing_key=tmp_path / "key.pem", passphrase=passphrase)
    artifact = ModelArtifact.load(tmp_path / "a")
    assert artifact.signature.public_key.hex() == public
    assert ct.load(tmp_path / "a").artifact == artifact


def test_a_signature_stays_until_another_replaces_it(model, tmp_path):
    first, second = (make_signing_key(tmp_path / name) for name in ("1", "2"))
    model.save(tmp_path / "a", signing_key=tmp_path / "1")
    again = ct.load(tmp_path / "a")
    again.save(tmp_path / "b")
    assert ModelArtifact.load(tmp_path / "b").signature.public_key.hex() == first
    again.save(tmp_path / "b", signing_key=read_signing_key(tmp_path / "2"))
    assert ModelArtifact.load(tmp_path / "b").signature.public_key.hex() == second


def test_the_commands(model, tmp_path, capsys):
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("correct horse\n")
    model.save(tmp_path / "a")
    assert main(["keygen-signing", str(tmp_path / "key.pem"), "--passphrase-file", str(passphrase)]) == 0
    public = capsys.readouterr().out.strip()
    sign = ["sign", str(tmp_path / "a"), "--key", str(tmp_path / "key.pem")]
    assert main([*sign, "--passphrase-file", str(passphrase)]) == 0
    assert capsys.readouterr().out.strip() == public
    assert ModelArtifact.load(tmp_path / "a").signature.public_key.hex() == public
    assert main(sign) == 1
    assert "no private key in PEM form" in capsys.readouterr().err
    passphrase.write_text("")
    assert main([*sign, "--passphrase-file", str(passphrase)]) == 1


def test_a_key_is_never_replaced_and_is_its_owners(tmp_path):
    make_signing_key(tmp_path / "key.pem")
    if os.name == "posix":
        assert (tmp_path / "key.pem").stat().st_mode & 0o777 == 0o600
    with pytest.raises(InvalidInputError, match="exists, and its key would be lost"):
        make_signing_key(tmp_path / "key.pem")


def test_files_that_hold_no_signing_key(tmp_path):
    (tmp_path / "text").write_text("no key")
    other = ec.generate_private_key(ec.SECP256R1()).private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    (tmp_path / "other").write_bytes(other)
    with pytest.raises(InvalidInputError, match="no private key"):
        read_signing_key(tmp_path / "text")
    with pytest.raises(InvalidInputError, match="another kind, expected Ed25519"):
        read_signing_key(tmp_path / "other")


def test_rows_with_known_answers(model, tmp_path, capsys):
    """By the command and by the method: what the model answers in the clear, for this version of it alone."""
    public = make_signing_key(tmp_path / "key.pem")
    model.save(tmp_path / "a", signing_key=tmp_path / "key.pem")
    np.save(tmp_path / "rows.npy", ROWS[:20, :2])
    key = ["--key", str(tmp_path / "key.pem")]
    assert main(["spot-checks", str(tmp_path / "a"), str(tmp_path / "rows.npy"), str(tmp_path / "b"), *key]) == 0
    ct.load(tmp_path / "a").export_spot_checks(tmp_path / "c", ROWS[:20, :2], signing_key=tmp_path / "key.pem")
    assert (tmp_path / "b").read_bytes() == (tmp_path / "c").read_bytes()
    known = KnownAnswers.from_bytes((tmp_path / "b").read_bytes())
    spec = model.artifact.client_spec
    known.check_fits(spec, model.artifact.digest.hex())
    assert known.signer == public
    np.testing.assert_array_equal(spec.decoder.predict(known.answers), model.predict(ROWS[:20, :2]))
    with pytest.raises(InvalidInputError, match="no rows"):
        model.export_spot_checks(tmp_path / "d", ROWS[:0, :2], signing_key=tmp_path / "key.pem")
    assert capsys.readouterr() == ("", "")


def test_answers_that_noise_may_change_are_not_known(model, tmp_path, monkeypatch):
    make_signing_key(tmp_path / "key.pem")
    monkeypatch.setattr(type(model.circuit), "is_approximate", True)
    with pytest.raises(InvalidInputError, match='rounding="exact" for spot checks'):
        model.export_spot_checks(tmp_path / "d", ROWS[:3, :2], signing_key=tmp_path / "key.pem")
