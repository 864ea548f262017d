"""Model cards: what auditors ask of a model (cost, security, who learns what, accuracy, agreement), signed, as JSON."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy.typing as npt
from cryptable_protocol import InvalidInputError, MalformedMessageError
from cryptable_protocol.files.whole import AS_USUAL, whole_file
from cryptable_protocol.limits import MAX_CARD_BYTES
from cryptable_protocol.model.signed_document import SignedDocument

from cryptable.compiled.check_report import CheckReport
from cryptable.compiled.compiled_model import CompiledModel
from cryptable.compiled.signing import SigningKey, read_signing_key
from cryptable.graphs.graph import Rows

KIND = "cryptable.v1 model card"


def write_card(
    path: str | os.PathLike[str],
    model: CompiledModel,
    X: Rows | None = None,
    y: npt.ArrayLike | None = None,
    *,
    signing_key: SigningKey,
    passphrase: str | None = None,
    encrypted_rows: int = 3,
) -> dict[str, Any]:
    """Write a signed card of a model: what `explain` says, and where there are rows, what `check` measures on them.

    Args:
        path: where to.
        model: of which.
        X: rows of shape (rows, features) to measure on; without, the card says that nothing was measured.
        y: the truth, shape (rows,), for the accuracy.
        signing_key: as for `CompiledModel.save`.
        passphrase: of the PEM file.
        encrypted_rows: of X, to evaluate under encryption.

    Returns:
        The card's content.

    Raises:
        InvalidInputError: a truth without rows, or rows that do not fit.
        OSError: the file cannot be written.
    """
    if X is None and y is not None:
        raise InvalidInputError("y is the truth of rows: give X too")
    key = read_signing_key(signing_key, passphrase=passphrase)
    report = None if X is None else model.check(X, y, encrypted_rows=encrypted_rows)
    document = SignedDocument.sign(key, kind=KIND, content=_content(model, report))
    with whole_file(path, mode=AS_USUAL) as file:
        file.write(document.to_bytes())
    return document.content


def read_card(
    path: str | os.PathLike[str], *, signer: str | None = None, model: CompiledModel | None = None
) -> SignedDocument:
    """Read a card, and verify its signature.

    Args:
        path: of the card.
        signer: public key in hexadecimal that must have signed it; by default anybody's.
        model: that it must be of: the very artifact, not one of the same name.

    Raises:
        MalformedMessageError: no card, changed after it was signed, by another signer, or of another model.
        OSError: it cannot be read.
    """
    with Path(path).open("rb") as file:
        document = SignedDocument.from_bytes(file.read(MAX_CARD_BYTES + 1), kind=KIND, limit=MAX_CARD_BYTES)
    if signer is not None and document.public_key != signer.lower():
        raise MalformedMessageError(f"{KIND}: signed by key {document.public_key}, expected key {signer.lower()}")
    if model is not None and document.content.get("artifact") != model.artifact.digest.hex():
        raise MalformedMessageError(f"{KIND}: it is of another model or version than {model.name!r}")
    return document


def _content(model: CompiledModel, report: CheckReport | None) -> dict[str, Any]:
    told, artifact = model.explain().to_dict(), model.artifact
    decoder = artifact.client_spec.decoder
    scheme = told["levelled"] or told["squares"] or {"lookups": told["lookups"], "table_bits": told["table_bits"]}
    content: dict[str, Any] = _plain(
        {
            "model": model.name,
            "version": model.version,
            "artifact": artifact.digest.hex(),
            "client_spec": artifact.client_spec.digest.hex(),
            "made": {
                "estimator": artifact.provenance.estimator,
                "packages": list(artifact.provenance.packages),
                "created": artifact.provenance.created,
            },
            "features": list(artifact.client_spec.feature_names),
            "labels": None if decoder.labels is None else list(decoder.labels),
            "cost": {
                "scheme": told["scheme"],
                "operations": scheme,
                "cpu_seconds_predicted": told["cpu_seconds_predicted"],
                "cpu_seconds_by_phase": told["cpu_seconds_by_phase"],
                "cpu_seconds_measured": told["cpu_seconds_measured"],
                "bytes": told["bytes"],
            },
            "security": {
                "bits": told["security_bits"],
                "p_error": told["p_error"],
                "keyset": told["keyset"],
                "score_noise_bound": told["score_noise_bound"],
            },
            "learns": {"client": told["client_learns"], "server": told["server_learns"], "inputs": told["inputs"]},
            "agreement": {
                "score_step": told["score_step"],
                "score_error_bound": told["score_error_bound"],
                "on_calibration_data": told["agreement"],
                "given_up": told["given_up"],
                "measured": None if report is None else _measured(report),
            },
            "accuracy": None if report is None else _accuracy(report, is_classifier=decoder.is_classifier),
        }
    )
    return content


def _measured(report: CheckReport) -> dict[str, Any]:
    found = {
        result.mode: {
            "rows": result.rows,
            "agreement": result.agreement,
            "largest_difference": result.largest_difference,
            "equal_to_clear": result.equal_to_clear,
        }
        for result in report.results
    }
    return {"reference": report.reference, "by_mode": found}


def _accuracy(report: CheckReport, *, is_classifier: bool) -> dict[str, Any] | None:
    clear = report["clear"]
    if clear.score is None:
        return None
    return {"measure": "accuracy" if is_classifier else "R2", "score": clear.score, "rows": clear.rows}


def _plain(value: Any) -> Any:  # noqa: ANN401 (any figure of `explain`)
    """Numbers of NumPy as Python's, tuples as lists, integers beyond 2^53 as text, as JSON has no others."""
    if isinstance(value, dict):
        return {str(name): _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if hasattr(value, "item"):
        value = value.item()
    return str(value) if isinstance(value, int) and abs(value) > 1 << 53 else value
