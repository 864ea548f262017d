"""Trust on first use: who signed a model, and its security-relevant parameters, are remembered and compared.

A pin is a small JSON file for each address and model. What a retrained model changes (encoders, sizes, the decoder) is
not pinned: it reveals nothing about the keys. What decides over them is: signer, scheme, and the facts that the
scheme's parameters name, as keyset, noise, p_error and how many bits of an answer are read.
"""

from __future__ import annotations

import hashlib
import json
import re
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cryptable_protocol import messages
from cryptable_protocol.errors import InvalidInputError, MalformedMessageError
from cryptable_protocol.files.places import config_folder
from cryptable_protocol.files.whole import whole_file
from cryptable_protocol.model.client_spec import ClientSpec
from cryptable_protocol.model.signature import PUBLIC_KEY_BYTES, ModelSignature
from cryptable_protocol.schemes.scheme import BOOTSTRAPPED

from cryptable_client.errors import PinChangedError, SignatureError, TrustError
from cryptable_client.schemes.scheme import SECURITY_BITS, check_security
from cryptable_client.server.access import Access

_FORMAT = 1
_MAX_PIN_BYTES = 1 << 16
_PUBLIC_KEY = re.compile(f"[0-9a-fA-F]{{{2 * PUBLIC_KEY_BYTES}}}")


@dataclass(frozen=True)
class Trust:
    """What a model must be for its user to trust it.

    Attributes:
        pins: folder of pins, None for none.
        signer: Ed25519 public key that must have signed the model, in hexadecimal; None for whoever did at first use.
        accept_changes: pin what comes, whatever was pinned.
        security_bits: that every parameter must give.
    """

    pins: Path | None = None
    signer: str | None = None
    accept_changes: bool = False
    security_bits: int = SECURITY_BITS

    def __post_init__(self) -> None:
        if self.signer is not None and not _PUBLIC_KEY.fullmatch(self.signer):
            raise InvalidInputError(
                f"signer is {self.signer[:80]!r}, expected a public key: {2 * PUBLIC_KEY_BYTES} hexadecimal digits"
            )

    def check(self, access: Access, spec: ClientSpec, response: messages.inference.GetModelResponse) -> str | None:
        """Check who signed a model, its parameters, and that both are what was pinned; pin them at first use.

        Returns:
            The public key of who signed it, in hexadecimal; None where nobody did.

        Raises:
            SignatureError: a wrong signature, or not the signer's.
            WeakParametersError: parameters are not secure.
            PinChangedError: signer or parameters are others than at first use.
            TrustError: the pin cannot be read.
        """
        signer = signer_of(spec, response)
        if self.signer is not None and signer != self.signer.lower():
            by = "nobody" if signer is None else f"key {signer}"
            raise SignatureError(f"model {spec.model_name!r} is signed by {by}, expected key {self.signer.lower()}")
        check_security(spec, security_bits=self.security_bits)
        if self.pins is not None:
            _Pin(self.pins, access.address.lower(), spec.model_name).check(
                _pinned_facts(spec, signer), accept_changes=self.accept_changes
            )
        return signer


def default_pins(access: Access) -> Path | None:
    """Where pins are kept unless told otherwise; servers on this very machine are not pinned."""
    return None if access.is_loopback else config_folder() / "pins"


def signer_of(spec: ClientSpec, response: messages.inference.GetModelResponse) -> str | None:
    """The public key that signed a model, in hexadecimal; None where nobody did.

    Raises:
        SignatureError: there is a signature, and it is wrong.
    """
    if not response.HasField("signature"):
        return None
    try:
        signature = ModelSignature.from_message(response.signature)
        signature.verify(client_spec=spec.digest, artifact=response.artifact_digest)
    except MalformedMessageError as error:
        raise SignatureError(f"model {spec.model_name!r}: {error}; do not use it") from error
    return signature.public_key.hex()


def _pinned_facts(spec: ClientSpec, signer: str | None) -> dict[str, Any]:
    # Bits read below the exact ones are mostly noise, and who learns enough of the noise learns the key.
    noisy = {"noisy bits": spec.decoder.further_bits}
    return {"signer": signer, "scheme": spec.scheme, **spec.parameters.pinned_facts(), **noisy}


class _Pin:
    def __init__(self, folder: Path, address: str, model: str) -> None:
        self._names = {"format": _FORMAT, "address": address, "model": model}
        digest = hashlib.sha256(f"{address}\0{model}".encode()).hexdigest()
        self._path = folder / f"{digest[:32]}.json"

    def check(self, facts: dict[str, Any], *, accept_changes: bool) -> None:
        if accept_changes:
            self._write(facts, overwrite=True)
            return
        pinned = self._read()
        if pinned is None:
            if not self._create(facts):
                self.check(facts, accept_changes=False)  # another process was faster
            return
        changed = [name for name, value in facts.items() if name in pinned and pinned[name] != value]
        if changed:
            details = "; ".join(f"{name} was {pinned[name]}, is {facts[name]}" for name in changed)
            raise PinChangedError(
                f"model {self._names['model']!r} at {self._names['address']} is not what it was at its first use: "
                f"{details}. Where the model's developer says that this is meant, accept it with accept_changes=True "
                f"(--accept-changes), or delete {self._path}; else somebody may have put another model in its place"
            )
        # A pin of an earlier version lacks facts that this one knows. They are trusted at their first use, as the
        # others were at theirs: refusing would make everybody accept changes blindly, once, after an upgrade.
        if not facts.keys() <= pinned.keys():
            self._write({**pinned, **facts}, overwrite=True)

    def _read(self) -> dict[str, Any] | None:
        if not self._path.exists():
            return None
        data = b""
        if self._path.is_file():  # nothing can be read from a folder, and a pipe would never end
            with self._path.open("rb") as file:
                data = file.read(_MAX_PIN_BYTES + 1)
        try:
            content = json.loads(data) if len(data) <= _MAX_PIN_BYTES else None
        except (ValueError, RecursionError):
            content = None
        if not isinstance(content, dict) or any(content.get(name) != value for name, value in self._names.items()):
            raise TrustError(
                f"{self._path} should hold the pin of model {self._names['model']!r} and holds something else: restore "
                "it, or accept the model as it is now with accept_changes=True (--accept-changes)"
            )
        # Before there were several schemes, every model was of this one: another scheme is a change, not a new fact.
        content.setdefault("scheme", BOOTSTRAPPED)
        return content

    def _content(self, facts: dict[str, Any]) -> bytes:
        return (json.dumps({**self._names, **facts}, indent=1) + "\n").encode()

    def _create(self, facts: dict[str, Any]) -> bool:
        """Whether the pin was not there; another process's is never replaced."""
        try:
            self._write(facts, overwrite=False)
        except FileExistsError:
            return False
        return True

    def _write(self, facts: dict[str, Any], *, overwrite: bool) -> None:
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        with whole_file(self._path, overwrite=overwrite) as file:
            file.write(self._content(facts))
