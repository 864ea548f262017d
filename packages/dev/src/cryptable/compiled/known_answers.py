"""Known answers: rows with what a model answers, from its interpretation, signed: clients check servers with them."""

from __future__ import annotations

import os

from cryptable_engine import Circuit, interpret
from cryptable_engine.circuit.readout import noise_bound, read_out
from cryptable_protocol import InvalidInputError, ModelArtifact, encode_rows
from cryptable_protocol.files.whole import whole_file
from cryptable_protocol.model.known_answers import KnownAnswers
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cryptable.graphs.graph import Rows


def write_known_answers(
    path: str | os.PathLike[str], artifact: ModelArtifact, circuit: Circuit, X: Rows, key: Ed25519PrivateKey
) -> None:
    """Write the file, readable by its owner alone; see `CompiledModel.export_spot_checks`."""
    if circuit.is_approximate:
        raise InvalidInputError(
            f"model {artifact.model_name!r} rounds sums approximately, so that noise may change an honest server's "
            'answers, and a client would give up its keys for nothing: compile with rounding="exact" for spot checks'
        )
    spec = artifact.client_spec
    rows = encode_rows(spec.features, X)
    if not len(rows):
        raise InvalidInputError("X has no rows: there is nothing to check a server with")
    further = spec.decoder.further_bits
    known = KnownAnswers(
        model=spec.model_name,
        client_spec=spec.digest.hex(),
        artifact=artifact.digest.hex(),
        rows=rows,
        answers=read_out(circuit, interpret(circuit, rows), further),
        tolerance=noise_bound(further),
    )
    content = known.signed_bytes(key)
    with whole_file(path) as file:
        file.write(content)
