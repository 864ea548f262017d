"""KnownAnswers: rows of a model with the answers that it gives, signed by its developer: what a server is checked with.

A file is a SignedDocument. Rows are as a client encodes them, answers as it decrypts them; both are written as int64,
little endian, in base64. It names the model that it is for by digests, of the client specification and of the artifact.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from cryptable_protocol.errors import MalformedMessageError
from cryptable_protocol.limits import MAX_KNOWN_ANSWERS_BYTES
from cryptable_protocol.model.client_spec import ClientSpec
from cryptable_protocol.model.signed_document import SignedDocument

KIND = "cryptable.v1 known answers"
_MEMBERS = {"answers", "artifact", "client_spec", "count", "model", "rows", "tolerance"}


@dataclass(frozen=True, eq=False)
class KnownAnswers:
    """Rows and their answers. `repr` shows neither.

    Attributes:
        model: name of the model.
        client_spec: SHA-256 of its client specification, in hexadecimal.
        artifact: SHA-256 of its artifact, in hexadecimal.
        rows: encoded, of shape (rows, inputs).
        answers: what an honest server's decrypt to, of shape (rows, outputs).
        tolerance: by how much they may differ, where the model reads noisy bits; else 0.
        signer: public key of who signed them, in hexadecimal; empty where nobody has yet.
    """

    model: str
    client_spec: str
    artifact: str
    rows: npt.NDArray[np.int64] = field(repr=False)
    answers: npt.NDArray[np.int64] = field(repr=False)
    tolerance: int
    signer: str = ""

    def __len__(self) -> int:
        return len(self.rows)

    def signed_bytes(self, private_key: Ed25519PrivateKey) -> bytes:
        """The file's bytes, signed."""
        content = {
            "answers": _packed(self.answers),
            "artifact": self.artifact,
            "client_spec": self.client_spec,
            "count": len(self.rows),
            "model": self.model,
            "rows": _packed(self.rows),
            "tolerance": self.tolerance,
        }
        return SignedDocument.sign(private_key, kind=KIND, content=content).to_bytes()

    @classmethod
    def from_bytes(cls, data: bytes) -> KnownAnswers:
        """From a file's bytes, whose signature is verified.

        Raises:
            MalformedMessageError: no such file, a wrong signature, or rows and answers that do not fit together.
        """
        document = SignedDocument.from_bytes(data, kind=KIND, limit=MAX_KNOWN_ANSWERS_BYTES)
        content = document.content
        names = ("model", "client_spec", "artifact")
        if (
            content.keys() != _MEMBERS
            or not all(isinstance(content[name], str) for name in names)
            or not all(type(content[name]) is int and content[name] >= 0 for name in ("count", "tolerance"))
            or not content["count"]
        ):
            raise MalformedMessageError(f"{KIND}: a part is missing, or of another kind")
        rows, answers = (_unpacked(content[name], content["count"]) for name in ("rows", "answers"))
        return cls(
            content["model"],
            content["client_spec"],
            content["artifact"],
            rows,
            answers,
            content["tolerance"],
            document.public_key,
        )

    def check_fits(self, spec: ClientSpec, artifact: str) -> None:
        """MalformedMessageError unless rows and answers are of this model and this version, as a server names it."""
        if self.client_spec != spec.digest.hex() or self.artifact != artifact:
            raise MalformedMessageError(
                f"{KIND}: they are of another model, or of another version of it, than model {spec.model_name!r} is at "
                "this server: ask its developer for those of this version"
            )
        parameters = spec.parameters
        expected = (len(self.rows), parameters.inputs), (len(self.rows), parameters.outputs)
        if (self.rows.shape, self.answers.shape) != expected:
            raise MalformedMessageError(
                f"{KIND}: rows of shape {self.rows.shape} and answers of {self.answers.shape}, expected {expected}"
            )
        if self.rows.min() < 0 or self.rows.max() >= 1 << parameters.input_bits:
            raise MalformedMessageError(f"{KIND}: a row has a value beyond the input's {parameters.input_bits} bits")


def _packed(values: npt.NDArray[np.int64]) -> str:
    return base64.b64encode(np.ascontiguousarray(values, "<i8").tobytes()).decode()


def _unpacked(text: Any, count: int) -> npt.NDArray[np.int64]:  # noqa: ANN401 (of JSON)
    try:
        data = base64.b64decode(text, validate=True)
        if _packed_again(data) != text:
            raise ValueError("not in canonical base64")
        values = np.frombuffer(data, "<i8").astype(np.int64)
        return values.reshape(count, len(values) // count)
    except (ValueError, TypeError, binascii.Error) as error:
        raise MalformedMessageError(f"{KIND}: no {count} rows of integers in base64 ({error})") from error


def _packed_again(data: bytes) -> str:
    return base64.b64encode(data).decode()
