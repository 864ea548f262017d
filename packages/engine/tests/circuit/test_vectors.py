"""The circuits of protos/vectors: each is accepted and computes what its index says, or is refused at its stage."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from cryptable_engine.circuit.circuit import Circuit
from cryptable_engine.circuit.interpreter import interpret
from cryptable_engine.circuit.verifier import verify
from cryptable_protocol import MalformedMessageError, ModelArtifact

VECTORS = Path(__file__).parents[4] / "protos/vectors"


def circuits(folder: str) -> list[Any]:
    index = json.loads((VECTORS / folder / "index.json").read_text("utf-8"))
    return [pytest.param(entry, id=entry["file"]) for entry in index if entry["type"] == "circuit"]


def read(folder: str, entry: dict[str, Any]) -> bytes:
    return (VECTORS / folder / entry["file"]).read_bytes()


@pytest.mark.parametrize("entry", circuits("accept"))
def test_accepted_and_computes_what_the_index_says(entry: dict[str, Any]) -> None:
    data = read("accept", entry)
    circuit = Circuit.from_bytes(data)
    verify(circuit)
    assert circuit.to_bytes() == data
    assert circuit.lookups == entry["facts"]["lookups"]
    for case in entry["facts"]["evaluates"]:
        assert interpret(circuit, np.array([case["input"]], np.int64)).tolist() == [case["output"]]


@pytest.mark.parametrize("entry", circuits("reject"))
def test_refused_at_its_stage(entry: dict[str, Any]) -> None:
    data = read("reject", entry)
    if entry["stage"] != "verifier":
        with pytest.raises(MalformedMessageError):
            Circuit.from_bytes(data)
        return
    circuit = Circuit.from_bytes(data)
    with pytest.raises(MalformedMessageError, match=r"^circuit: "):
        verify(circuit)


def test_artifact_holds_a_circuit_that_fits_its_client_spec() -> None:
    artifact = ModelArtifact.load(VECTORS / "accept/model_artifact.complete.bin")
    verify(Circuit.from_bytes(artifact.circuit), artifact.client_spec)
