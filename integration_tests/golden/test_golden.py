"""Golden artifacts: what the tree at fbb8020 saved, computed, encrypted and remembered, this tree must read alike.

tools/golden/make_golden.py made `data` with that tree and says what is in it. Nothing here is made anew: a difference
is a change for whoever has models, keys or pins of an earlier version. Only public names are used, and command lines.
"""

import csv
import dataclasses
import hashlib
import io
import json
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace

import cryptable as ct
import numpy as np
import pytest
from cryptable_client import (
    PinChangedError,
    SecretKeys,
    connect,
    decrypt,
    encrypt,
    fetch_spec,
    list_models,
    write_evaluation_keys,
)
from cryptable_engine import Circuit, Evaluator, compile_circuit, interpret, verify
from cryptable_protocol import (
    CategoricalEncoder,
    ClientSpec,
    CompileOptions,
    EncryptedTensor,
    ModelArtifact,
    encode_rows,
)
from server_process import run_server

DATA = Path(__file__).with_name("data")
MANIFEST = json.loads((DATA / "manifest.json").read_text())
MODELS, KEYS = MANIFEST["models"], MANIFEST["keys"]
APPROXIMATE = [name for name, facts in MODELS.items() if facts["approximate"]]
KEPT = f"{KEYS['name']}.evaluation-keys"
SIMULATED = 2000
every_model = pytest.mark.parametrize("name", MODELS)


def artifact_of(name):
    return ModelArtifact.load(DATA / f"{name}.cryptable")


def table_of(name, count=None):
    """Rows as their user has them: JSON's null is a missing value."""
    has_categories = any(isinstance(each, CategoricalEncoder) for each in artifact_of(name).client_spec.features)
    return np.array(MODELS[name]["rows"][:count], object if has_categories else np.float64)


def same(found, expected):
    """To the last bit, and of one shape: assert_array_equal alone would broadcast."""
    expected = np.asarray(expected)
    assert found.shape == expected.shape
    np.testing.assert_array_equal(found, expected)


def sha256(data):
    return hashlib.sha256(data).hexdigest()


def client(*arguments):
    """Standard output of the client's command line."""
    command = [sys.executable, "-m", "cryptable_client", *map(str, arguments)]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """Of all golden artifacts: it verifies and compiles each, and compares the parameters, before it offers it."""
    with run_server(DATA, tmp_path_factory.mktemp("golden")) as running:
        yield running


@pytest.fixture(scope="module")
def kept(tmp_path_factory):
    """A copy of what the old client left on disk, with the passphrase and the specification that it goes with."""
    folder = tmp_path_factory.mktemp("kept")
    shutil.copytree(DATA / "keys", folder / "keys")
    (folder / "passphrase").write_text(KEYS["passphrase"] + "\n")
    artifact = artifact_of(KEYS["model"])
    (folder / "spec").write_bytes(artifact.client_spec.to_bytes())
    with (folder / "row.csv").open("w", newline="") as file:
        features = [feature.name for feature in artifact.client_spec.features]
        csv.writer(file).writerows([features, MODELS[KEYS["model"]]["rows"][0]])
    return SimpleNamespace(
        artifact=artifact,
        circuit=Circuit.from_bytes(artifact.circuit),
        directory=folder / "keys",
        key_file=folder / "keys" / f"{KEYS['name']}.keys",
        evaluation_keys=folder / "keys" / KEPT,
        passphrase=("--passphrase-file", folder / "passphrase"),
        row=("--input", folder / "row.csv"),
        spec=("--spec", folder / "spec"),
    )


@pytest.fixture(scope="module")
def keys_for(kept):
    """Keys of a keyset, those of the old client where it is theirs: made, and uploaded, once."""
    old = SecretKeys.load(kept.key_file, passphrase=KEYS["passphrase"])
    made = {old.keyset.name: (old, {"evaluation_keys": kept.evaluation_keys})}

    def get(spec):
        if spec.keyset.name not in made:
            made[spec.keyset.name] = SecretKeys.generate(spec), {}
        return made[spec.keyset.name]

    yield get
    for keys, _ in made.values():
        keys.close()


@every_model
def test_bytes_and_digests(name, tmp_path):
    data, facts = (DATA / f"{name}.cryptable").read_bytes(), MODELS[name]
    artifact = ModelArtifact.from_bytes(data)
    spec, circuit = artifact.client_spec, Circuit.from_bytes(artifact.circuit)
    verify(circuit, spec)
    assert sha256(data) == facts["sha256"]
    assert artifact.digest.hex() == facts["artifact"]
    assert spec.digest.hex() == facts["client spec"]
    assert sha256(artifact.circuit) == facts["circuit"]
    assert spec.keyset.name.hex() == facts["keyset"]
    assert spec.keyset.evaluation_keys_bytes == facts["evaluation keys bytes"]
    assert artifact.compile_options.keyset_entry == facts["keyset entry"]
    assert artifact.provenance.estimator == facts["estimator"]
    assert artifact.to_bytes() == data
    assert circuit.to_bytes() == artifact.circuit
    assert ClientSpec.from_bytes(spec.to_bytes()) == spec
    ct.load(DATA / f"{name}.cryptable").save(tmp_path / "again")
    assert (tmp_path / "again").read_bytes() == data


@every_model
def test_clear_evaluation(name):
    model, table, facts = ct.load(DATA / f"{name}.cryptable"), table_of(name), MODELS[name]
    encoded = encode_rows(model.artifact.client_spec.features, table)
    same(encoded, facts["encoded"])
    same(interpret(model.circuit, encoded), facts["integers"])
    same(model.decision_function(table), facts["scores"])
    same(model.predict(table), facts["predictions"])
    assert model.circuit.lookups == facts["lookups"]
    if facts["probabilities"] is not None:  # an exponential's last bit is the machine's
        np.testing.assert_allclose(model.predict_proba(table), facts["probabilities"], rtol=1e-13)


@every_model
def test_what_was_saved_is_what_the_library_predicts(name):
    """Of the manifest itself: figures of a model that was compiled wrongly would prove nothing."""
    facts = MODELS[name]
    if facts["probabilities"] is not None:
        assert facts["predictions"] == facts["own predictions"]
    else:
        difference = np.subtract(facts["predictions"], facts["own predictions"])
        assert np.abs(difference).max() <= facts["error bound"]


@pytest.mark.parametrize("name", APPROXIMATE)
def test_noise_model(name):
    """The first row was chosen so that noise of twice the deviation never gave another answer than the clear one."""
    model = ct.load(DATA / f"{name}.cryptable")
    drawn = model.decision_function(np.repeat(table_of(name, 1), SIMULATED, axis=0), mode="simulate")
    same(drawn, np.repeat(MODELS[name]["scores"][:1], SIMULATED, axis=0))


def test_the_server_offers_all(server):
    """It compiled each to the very parameters in its specification."""
    offered = {model.name: model for model in list_models(server.address, insecure=True)}
    assert offered.keys() == MODELS.keys()
    for name, facts in MODELS.items():
        assert offered[name].version == "golden"
        assert offered[name].keyset_name == facts["keyset"]
        assert offered[name].client_spec_digest == facts["client spec"]


def later_facts(spec):
    """What pins have said since there are several schemes, and since how much of an answer is read is pinned."""
    decoder, output = spec.decoder, spec.output
    return {"scheme": "bootstrapped", "output width": output.width, "noisy bits": decoder.further_bits}


@every_model
def test_what_is_pinned(name, server, tmp_path):
    spec = fetch_spec(server.address, model=name, insecure=True, pins=tmp_path)
    (path,) = tmp_path.iterdir()
    assert json.loads(path.read_text()) == {**MODELS[name]["pin"], **later_facts(spec), "address": server.address}
    assert spec == artifact_of(name).client_spec


def test_old_pins_hold(server, tmp_path):
    """An address is part of a pin and of its file's name, and this server has another one: both are replaced.

    What an old pin does not tell is added to it.
    """
    old = sorted((DATA / "pins").iterdir())
    assert len(old) == 2
    for path in old:
        text = path.read_text()
        pin = json.loads(text)
        assert path.name == pin_name(pin["address"], pin["model"])
        moved = tmp_path / pin_name(server.address, pin["model"])
        moved.write_text(text.replace(pin["address"], server.address))
        spec = fetch_spec(server.address, model=pin["model"], insecure=True, pins=tmp_path)
        assert json.loads(moved.read_text()) == {**pin, "address": server.address, **later_facts(spec)}
        moved.write_text(text.replace(pin["address"], server.address).replace('"p_error": 9', '"p_error": 8'))
        with pytest.raises(PinChangedError, match="p_error"):
            fetch_spec(server.address, model=pin["model"], insecure=True, pins=tmp_path)
    assert len(list(tmp_path.iterdir())) == len(old)


def pin_name(address, model):
    return sha256(f"{address}\0{model}".encode())[:32] + ".json"


@pytest.mark.encrypted
@every_model
def test_encrypted_evaluation(name, server, keys_for):
    """Bit for bit: of models whose sums are rounded approximately too, since noise does not touch their first row."""
    facts, spec = MODELS[name], artifact_of(name).client_spec
    keys, options = keys_for(spec)
    with connect(server.address, model=name, insecure=True, secret_keys=keys, **options) as remote:
        same(remote.evaluate(np.array(facts["encoded"][:1]), spec), facts["integers"][:1])
        same(remote.decision_function(table_of(name, 1)), facts["scores"][:1])


@pytest.mark.encrypted
@pytest.mark.xdist_group("clients of Concrete")
@pytest.mark.parametrize("name", [name for name in MODELS if name not in APPROXIMATE])
def test_concrete_evaluates_alike(name, tmp_path):
    """Compiled by Concrete, onto parameters that its optimizer chooses, and evaluated by its own program."""
    artifact, facts = artifact_of(name), MODELS[name]
    circuit = Circuit.from_bytes(artifact.circuit)
    program = compile_circuit(circuit, CompileOptions(artifact.client_spec.p_error), tmp_path / "program", native=True)
    spec = dataclasses.replace(artifact.client_spec, parameters=program.parameters)
    evaluator = Evaluator(program, native=True)
    with SecretKeys.generate(spec) as keys:
        file = io.BytesIO()
        if circuit.lookups:
            write_evaluation_keys(keys, file)
        ready = evaluator.load_keys(file.getvalue()) if circuit.lookups else None
        answer = evaluator.evaluate(encrypt(spec, keys, np.array(facts["encoded"][0])), ready)
        same(decrypt(spec, keys, answer), facts["integers"][0])


@pytest.mark.encrypted
def test_the_old_key_directory(server, kept):
    """It knows its keys, and predicts with them: nothing is made anew, and both uploads are remembered."""
    (entry,) = json.loads(client("keys", "list", "--json", "--key-directory", kept.directory))
    assert (entry["name"], entry["keyset"]) == (KEYS["name"], MODELS[KEYS["model"]]["keyset"])
    assert (entry["expires"], entry["servers"]) == (None, [KEYS["address"]])
    reached = ("--address", server.address, "--insecure", "--model", KEYS["model"])
    directory = ("--key-directory", kept.directory, *kept.passphrase)
    printed = client("predict", *reached, *directory, *kept.row, "--scores", "--output", "-")
    assert printed.split() == ["score", str(MODELS[KEYS["model"]]["scores"][0])]
    assert sha256(kept.evaluation_keys.read_bytes()) == KEYS["evaluation keys"]
    uploads = json.loads((kept.directory / f"{KEYS['name']}.uploads.json").read_text())
    assert [upload["address"] for upload in uploads] == [KEYS["address"], server.address]
    assert {upload["sha256"] for upload in uploads} == {KEYS["evaluation keys"]}
    left = {path.name for path in kept.directory.iterdir()}
    assert left == {path.name for path in (DATA / "keys").iterdir()} | {f"{KEPT}.sha256"}
    assert (kept.directory / f"{KEPT}.sha256").read_text() == f"{KEYS['evaluation keys']}  {KEPT}\n"


@pytest.mark.encrypted
def test_old_ciphertexts(kept, tmp_path):
    """An old row and old keys in the new engine, and the old engine's answer, decrypt to what they did."""
    spec, expected = kept.artifact.client_spec, MODELS[KEYS["model"]]["integers"][0]
    evaluator = Evaluator(compile_circuit(kept.circuit, kept.artifact.compile_options, tmp_path / "program"))
    row, answer = (EncryptedTensor.from_bytes((DATA / name).read_bytes()) for name in ("row.bin", "answer.bin"))
    again = evaluator.evaluate(row, evaluator.load_keys(kept.evaluation_keys))
    with SecretKeys.load(kept.key_file, passphrase=KEYS["passphrase"]) as keys:
        same(decrypt(spec, keys, answer), expected)
        same(decrypt(spec, keys, again), expected)
    assert row.to_bytes() == (DATA / "row.bin").read_bytes()
    assert answer.to_bytes() == (DATA / "answer.bin").read_bytes()


@pytest.mark.encrypted
def test_old_tensor_files(server, kept, tmp_path):
    """Moved by hand: the old answer is decrypted, and the old row relayed to the new server."""
    reached = ("--address", server.address, "--insecure", "--model", KEYS["model"])
    sent = ("--input", DATA / "rows.tensors", "--evaluation-keys", kept.evaluation_keys)
    client("relay", *reached, *sent, "--output", tmp_path / "answers")
    opened = (*kept.spec, "--keys", kept.key_file, *kept.passphrase, "--scores", "--output", "-")
    for answers in (DATA / "answers.tensors", tmp_path / "answers"):
        printed = client("decrypt", "--input", answers, *opened)
        assert printed.split() == ["score", str(MODELS[KEYS["model"]]["scores"][0])]
