"""Model cards: they say what `explain` and `check` say, and each byte of them counts."""

import json

import cryptable as ct
import numpy as np
import pytest
from cryptable.__main__ import main
from cryptable.compiled.signing import make_signing_key
from cryptable_protocol import InvalidInputError, MalformedMessageError
from sklearn.datasets import load_iris
from sklearn.linear_model import LogisticRegression

ROWS, TARGET = load_iris(return_X_y=True)
ROWS = ROWS[:, :2]


@pytest.fixture(scope="module")
def signed(tmp_path_factory):
    folder = tmp_path_factory.mktemp("card")
    public = make_signing_key(folder / "key.pem")
    model = ct.compile(LogisticRegression().fit(ROWS, TARGET), ROWS, name="iris", version="3")
    model.save(folder / "model", signing_key=folder / "key.pem")
    return folder, public, model


def test_it_says_what_is_known_and_measured(signed):
    folder, public, model = signed
    content = ct.write_card(folder / "card", model, ROWS, TARGET, signing_key=folder / "key.pem", encrypted_rows=2)
    document = ct.read_card(folder / "card", signer=public.upper(), model=model)
    assert document.content == content
    told = model.explain()
    assert content["artifact"] == model.artifact.digest.hex()
    assert content["security"]["bits"] == told.security_bits == 128
    assert content["learns"] == {"client": told.client_learns, "server": told.server_learns, "inputs": told.inputs}
    assert content["cost"]["bytes"] == vars(told.bytes)
    assert content["cost"]["cpu_seconds_measured"] == told.cpu_seconds_measured > 0
    assert content["accuracy"] == {"measure": "accuracy", "score": model.score(ROWS, TARGET), "rows": len(ROWS)}
    encrypted = content["agreement"]["measured"]["by_mode"]["encrypted"]
    assert (encrypted["rows"], encrypted["equal_to_clear"]) == (2, True)
    assert content["agreement"]["measured"]["reference"] == "the float model"
    assert json.loads((folder / "card").read_text())["content"] == content


def test_any_changed_byte_fails(signed):
    folder, _, model = signed
    ct.write_card(folder / "small", model, signing_key=folder / "key.pem")
    data = (folder / "small").read_bytes()
    for at in range(0, len(data), 7):
        (folder / "changed").write_bytes(data[:at] + bytes([data[at] ^ 1]) + data[at + 1 :])
        with pytest.raises(MalformedMessageError):
            ct.read_card(folder / "changed")


def test_of_another_model_or_signer(signed, tmp_path):
    folder, _, model = signed
    ct.write_card(folder / "card", model, signing_key=folder / "key.pem")
    with pytest.raises(MalformedMessageError, match="expected key abab"):
        ct.read_card(folder / "card", signer="ab" * 32)
    other = ct.compile(LogisticRegression(C=0.1).fit(ROWS, TARGET), ROWS, name="iris", version="3")
    with pytest.raises(MalformedMessageError, match="another model or version"):
        ct.read_card(folder / "card", model=other)
    with pytest.raises(InvalidInputError, match="give X too"):
        ct.write_card(tmp_path / "card", model, None, TARGET, signing_key=folder / "key.pem")


def test_the_command(signed, tmp_path, capsys):
    folder, public, _ = signed
    np.save(tmp_path / "rows.npy", ROWS)
    np.save(tmp_path / "truth.npy", TARGET[:, None])
    make = ["card", str(folder / "model"), "--rows", str(tmp_path / "rows.npy"), "--truth", str(tmp_path / "truth.npy")]
    assert main([*make, "--encrypted-rows", "0"]) == 1
    assert "--key" in capsys.readouterr().err
    assert main([*make, "--encrypted-rows", "0", "--key", str(folder / "key.pem")]) == 0
    card = folder / "model.card.json"
    verify = ["card", "--verify", str(card), "--signer", public, "--model", str(folder / "model")]
    assert main(verify) == 0
    told = json.loads(capsys.readouterr().out)
    assert (told["signer"], told["model"], told["version"]) == (public, "iris", "3")
    assert told["accuracy"]["score"] > 0.7
    data = card.read_bytes()
    card.write_bytes(data.replace(b'"bits":128', b'"bits":132'))
    assert main(verify) == 1
    assert "it was changed after it was signed" in capsys.readouterr().err
