"""Machine learning on encrypted data, the end user's side: keys, encryption, and a server's predictions, decrypted.

Names are loaded when they are first used, so that importing the package takes no time; grpc is imported by `connect`
when it makes a connection, not before.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from cryptable_protocol.errors import CryptableError

    from cryptable_client.errors import (
        AuthenticationError,
        CorruptedKeyFileError,
        DataLossError,
        KeyFileError,
        KeysExpiredError,
        KeysRetiredError,
        NotFoundError,
        OverloadedError,
        PinChangedError,
        RequestRefusedError,
        ServerError,
        SignatureError,
        SpecChangedError,
        TimeoutExceededError,
        TrustError,
        UnavailableError,
        UnknownSchemeError,
        WeakParametersError,
        WrongAnswersError,
        WrongPassphraseError,
    )
    from cryptable_client.keys.encryption import decrypt, encrypt
    from cryptable_client.keys.evaluation_keys import spool, write_evaluation_keys
    from cryptable_client.keys.secret_keys import SecretKeys
    from cryptable_client.keys.spooled import SpooledEvaluationKeys
    from cryptable_client.schemes.scheme import check_security
    from cryptable_client.server.connection import Server, connect, fetch_spec, list_models
    from cryptable_client.server.remote_model import RemoteModel
    from cryptable_client.server.spot_checks import SpotChecks

__version__ = "0.1.0"

__all__ = [
    "AuthenticationError",
    "CorruptedKeyFileError",
    "CryptableError",
    "DataLossError",
    "KeyFileError",
    "KeysExpiredError",
    "KeysRetiredError",
    "NotFoundError",
    "OverloadedError",
    "PinChangedError",
    "RemoteModel",
    "RequestRefusedError",
    "SecretKeys",
    "Server",
    "ServerError",
    "SignatureError",
    "SpecChangedError",
    "SpooledEvaluationKeys",
    "SpotChecks",
    "TimeoutExceededError",
    "TrustError",
    "UnavailableError",
    "UnknownSchemeError",
    "WeakParametersError",
    "WrongAnswersError",
    "WrongPassphraseError",
    "__version__",
    "check_security",
    "connect",
    "decrypt",
    "encrypt",
    "fetch_spec",
    "list_models",
    "spool",
    "write_evaluation_keys",
]

_HOMES = {
    "CryptableError": "cryptable_protocol.errors",
    "RemoteModel": "cryptable_client.server.remote_model",
    "SecretKeys": "cryptable_client.keys.secret_keys",
    "Server": "cryptable_client.server.connection",
    "SpooledEvaluationKeys": "cryptable_client.keys.spooled",
    "SpotChecks": "cryptable_client.server.spot_checks",
    "check_security": "cryptable_client.schemes.scheme",
    "connect": "cryptable_client.server.connection",
    "decrypt": "cryptable_client.keys.encryption",
    "encrypt": "cryptable_client.keys.encryption",
    "fetch_spec": "cryptable_client.server.connection",
    "list_models": "cryptable_client.server.connection",
    "spool": "cryptable_client.keys.evaluation_keys",
    "write_evaluation_keys": "cryptable_client.keys.evaluation_keys",
}


def __getattr__(name: str) -> object:
    if name not in __all__:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES.get(name, "cryptable_client.errors")), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return __all__
