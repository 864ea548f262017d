"""Every vector of protos/vectors is accepted, or refused with the error that its index names."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptable_protocol import (
    ClientSpec,
    EncryptedTensor,
    EvaluationKeysHeader,
    LimitExceededError,
    MalformedMessageError,
    MaskStream,
    ModelArtifact,
    encode_rows,
    limits,
)
from cryptable_protocol.encoding.exponential import exponential
from cryptable_protocol.encoding.links import Link, probabilities_of
from cryptable_protocol.messages import circuit, keys
from cryptable_protocol.schemes.levelled.mask_stream import masks, public_pair_mask
from cryptable_protocol.schemes.packing import pack
from cryptable_protocol.schemes.ring_tensor import RingTensor
from cryptable_protocol.schemes.scheme import read_batch
from cryptable_protocol.wire.canonical import from_canonical_bytes, to_canonical_bytes

VECTORS = Path(__file__).parents[3] / "protos/vectors"
ACCEPT = json.loads((VECTORS / "accept/index.json").read_text("utf-8"))
REJECT = json.loads((VECTORS / "reject/index.json").read_text("utf-8"))
ERRORS = {"MalformedMessageError": MalformedMessageError, "LimitExceededError": LimitExceededError}


class CircuitMessage:
    """A circuit as far as this package reads it: the fields are the engine's to judge."""

    def __init__(self, message: circuit.Circuit) -> None:
        self.message = message

    @classmethod
    def from_bytes(cls, data: bytes) -> CircuitMessage:
        return cls(from_canonical_bytes(circuit.Circuit, data, limit=limits.MAX_CIRCUIT_BYTES, what="circuit"))

    def to_bytes(self) -> bytes:
        return to_canonical_bytes(self.message)


class KeysHeader:
    """A header as the bytes of its message."""

    def __init__(self, header: EvaluationKeysHeader) -> None:
        self.header = header

    @classmethod
    def from_bytes(cls, data: bytes) -> KeysHeader:
        message = from_canonical_bytes(keys.EvaluationKeysHeader, data, limit=1024, what="header")
        return cls(EvaluationKeysHeader.from_message(message))

    def to_bytes(self) -> bytes:
        return to_canonical_bytes(self.header.to_message())


class Batch:
    """How rows of the model of client_spec.levelled.bin travel together."""

    @classmethod
    def from_bytes(cls, data: bytes) -> Any:
        spec = ClientSpec.from_bytes((VECTORS / "accept/client_spec.levelled.bin").read_bytes())
        return read_batch(spec.parameters, data)


READERS: dict[str, Any] = {
    "batch_spec": Batch,
    "client_spec": ClientSpec,
    "circuit": CircuitMessage,
    "model_artifact": ModelArtifact,
    "encrypted_tensor": EncryptedTensor,
    "ring_tensor": RingTensor,
    "evaluation_keys_header": KeysHeader,
}


def read(folder: str, entry: dict[str, Any]) -> bytes:
    return (VECTORS / folder / entry["file"]).read_bytes()


def of_type(index: list[dict[str, Any]], *types: str) -> list[Any]:
    return [pytest.param(entry, id=entry["file"]) for entry in index if entry["type"] in types]


@pytest.mark.parametrize("entry", of_type(ACCEPT, *READERS))
def test_accepted_and_written_back_to_the_same_bytes(entry: dict[str, Any]) -> None:
    data = read("accept", entry)
    assert READERS[entry["type"]].from_bytes(data).to_bytes() == data


@pytest.mark.parametrize("entry", of_type(REJECT, *READERS))
def test_refused_with_the_error_of_the_index(entry: dict[str, Any]) -> None:
    if entry["type"] == "circuit" and entry["stage"] != "bytes":
        assert CircuitMessage.from_bytes(read("reject", entry)), "the engine refuses it, not the canonical form"
        return
    with pytest.raises(MalformedMessageError) as caught:
        READERS[entry["type"]].from_bytes(read("reject", entry))
    assert type(caught.value) is ERRORS[entry["error"]]


@pytest.mark.parametrize("entry", of_type(REJECT, "client_spec"))
def test_stage_tells_canonical_form_from_fields(entry: dict[str, Any]) -> None:
    from cryptable_protocol.messages import client_spec

    def parse() -> object:
        return from_canonical_bytes(client_spec.ClientSpec, read("reject", entry), limit=1 << 20, what="client spec")

    if entry["stage"] == "fields":
        parse()
    else:
        with pytest.raises(MalformedMessageError):
            parse()


def test_enough_vectors_of_every_type() -> None:
    assert len(ACCEPT) >= 15
    assert len(REJECT) >= 60
    for index in (ACCEPT, REJECT):
        assert {entry["type"] for entry in index} == set(READERS)


@pytest.mark.parametrize("folder", ["accept", "reject"])
def test_index_names_every_file(folder: str) -> None:
    index = json.loads((VECTORS / folder / "index.json").read_text("utf-8"))
    assert {entry["file"] for entry in index} == {path.name for path in (VECTORS / folder).glob("*.bin")}


@pytest.mark.parametrize("entry", of_type(ACCEPT, "client_spec"))
def test_client_spec_says_what_the_index_says(entry: dict[str, Any]) -> None:
    spec = ClientSpec.from_bytes(read("accept", entry))
    facts = entry["facts"]
    assert spec.digest.hex() == facts["digest"]
    assert spec.parameters.keyset.name.hex() == facts["keyset_name"]
    assert list(spec.feature_names) == facts["feature_names"]
    if "evaluation_keys_bytes" in facts:
        assert spec.parameters.keyset.evaluation_keys_bytes == facts["evaluation_keys_bytes"]
    for case in facts.get("encodes", []):
        assert encode_rows(spec.features, [case["row"]]).tolist() == [case["elements"]]
    for case in facts.get("decodes", []):
        scores = spec.decoder.decision_function(np.array([case["values"]], np.int64))
        assert scores.ravel().tolist() == case["scores"]
        if "label" in case:
            assert spec.decoder.predictions(scores).tolist() == [case["label"]]
        if "contributions" in case:
            made = spec.decoder.contributions_of(np.array([case["values"]], np.int64))
            assert made[0].tolist() == case["contributions"]
            assert list(spec.decoder.base_values) == case["base_values"]


@pytest.mark.parametrize("entry", of_type(ACCEPT, "model_artifact"))
def test_artifact_says_what_the_index_says(entry: dict[str, Any]) -> None:
    artifact = ModelArtifact.from_bytes(read("accept", entry))
    facts = {"model_name": artifact.model_name, "model_version": artifact.model_version}
    if artifact.compile_options.keyset_entry:
        facts["keyset_entry"] = artifact.compile_options.keyset_entry
        assert artifact.compile_options.keyset == artifact.client_spec.keyset
    if artifact.signature is not None:
        facts["signer"] = artifact.signature.public_key.hex()
    assert {**facts, "digest": artifact.digest.hex()} == entry["facts"]


@pytest.mark.parametrize("entry", of_type(ACCEPT, "encrypted_tensor"))
def test_tensor_says_what_the_index_says(entry: dict[str, Any]) -> None:
    tensor = EncryptedTensor.from_bytes(read("accept", entry))
    assert tensor.bodies.shape == (entry["facts"]["size"],)
    assert (tensor.seed is not None) == (entry["facts"]["form"] == "seed")
    if tensor.masks is not None:
        assert tensor.masks.shape == (entry["facts"]["size"], entry["facts"]["dimension"])
    assert (tensor.word_bits < 64) == (entry["facts"]["form"] == "trimmed")
    if "words" in entry["facts"]:
        assert (
            tensor.ciphertexts(entry["facts"]["size"], entry["facts"]["dimension"]).tolist() == entry["facts"]["words"]
        )


@pytest.mark.parametrize("entry", of_type(ACCEPT, "ring_tensor"))
def test_ring_tensor_says_what_the_index_says(entry: dict[str, Any]) -> None:
    assert len(RingTensor.from_bytes(read("accept", entry)).polynomials) == entry["facts"]["bytes"]


@pytest.mark.parametrize("entry", of_type(ACCEPT, "batch_spec"))
def test_batch_says_what_the_index_says(entry: dict[str, Any]) -> None:
    batch, facts = Batch.from_bytes(read("accept", entry)), entry["facts"]
    assert (batch.most_rows, batch.rows_per_answer) == (facts["rows"], facts["rows_per_answer"])
    assert batch.of(facts["rows"]).answer_bytes == facts["answer_bytes"]


@pytest.mark.parametrize("entry", of_type(ACCEPT, "evaluation_keys_header"))
def test_header_says_what_the_index_says(entry: dict[str, Any]) -> None:
    header = KeysHeader.from_bytes(read("accept", entry)).header
    assert {"size": header.size, "keyset_name": header.keyset_name.hex()} == entry["facts"]


@pytest.mark.parametrize("case", json.loads((VECTORS / "mask_stream.json").read_text("utf-8")))
def test_mask_stream(case: dict[str, Any]) -> None:
    words = MaskStream(bytes.fromhex(case["seed"])).words(case["first"], len(case["words"]))
    assert [f"{word:016x}" for word in words.tolist()] == case["words"]


def test_links() -> None:
    figures = json.loads((VECTORS / "links.json").read_text("utf-8"))
    scores, made = zip(*((case["x"], case["e^x"]) for case in figures["exponentials"]), strict=True)
    assert exponential(np.array(scores)).tolist() == [math.inf if y is None else y for y in made]
    for case in figures["probabilities"]:
        rows = np.array([case["scores"]])
        found = probabilities_of(Link[case["link"]], rows[:, 0] if rows.size == 1 else rows)
        assert found[0].tolist() == case["probabilities"]


def test_levelled_masks_and_packing() -> None:
    figures = json.loads((VECTORS / "levelled.json").read_text("utf-8"))
    for case in figures["masks"]:
        (found,) = masks(bytes.fromhex(case["seed"]), case["polynomial"], 1)
        assert [*found[:4].tolist(), int(found[-1])] == case["words"]
    pair = figures["public_pair"]
    assert public_pair_mask(bytes.fromhex(pair["seed"]))[:4].tolist() == pair["words"]
    packed = figures["packed"]
    assert pack(np.array(packed["words"], np.uint64), packed["bits"]).hex() == packed["bytes"]
