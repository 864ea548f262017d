"""Exceptions of the client, below those of `cryptable_protocol.errors`.

    CryptableError
    ├── TrustError                 a model is not the one that was trusted: nothing was generated or sent
    │   ├── SignatureError         ... its signature is wrong, missing, or by another signer than expected
    │   └── PinChangedError        ... its signer or its crypto parameters are not those of the first use
    ├── UnknownSchemeError         a model or its keys are of a scheme that this version does not know
    ├── WrongAnswersError          a server answered rows with known answers wrongly: use none of its answers
    ├── WeakParametersError        the server's parameters are not secure, or absurd: nothing was generated or sent
    ├── KeyFileError               a key file cannot be used
    │   ├── KeysExpiredError       ... because the keys are past their date
    │   ├── KeysRetiredError       ... to encrypt, because a server answered wrongly under them
    │   ├── WrongPassphraseError   ... with this passphrase
    │   └── CorruptedKeyFileError  ... because its bytes are damaged, or are no key file
    └── ServerError                the server, or the way to it, failed; `code` names the gRPC status
        ├── UnavailableError       not reachable, or restarting: the same call may be tried again
        ├── TimeoutExceededError   no answer before the deadline
        ├── NotFoundError          no such model or keys
        ├── SpecChangedError       the model was replaced after this connection was made: connect again
        ├── OverloadedError        a queue or quota is full: try again later
        ├── DataLossError          keys were damaged on their way or in the server's store: they must be sent again
        ├── AuthenticationError    the caller is not known, or may not do this
        └── RequestRefusedError    the server calls the request malformed

Catch `CryptableError` for all of them.
"""

from __future__ import annotations

from cryptable_protocol.errors import CryptableError


class TrustError(CryptableError):
    """A model is not the one that was trusted; nothing was generated or sent."""


class SignatureError(TrustError):
    """A model's signature is wrong, missing, or by another signer than the caller expects."""


class PinChangedError(TrustError):
    """A model's signer or its crypto parameters are not those of its first use; the message says how to accept."""


class UnknownSchemeError(CryptableError):
    """A model or its keys are of a scheme that this version of the client does not know: upgrade it."""


class WrongAnswersError(CryptableError):
    """A server answered spot checks wrongly. It says no more than that, since each bit of it may tell of the keys."""


class WeakParametersError(CryptableError):
    """Parameters offer less than 128 bits of security, or would cost absurd time or memory; the message names which."""


class KeyFileError(CryptableError):
    """A key file cannot be used; the message says why and what to do."""


class KeysExpiredError(KeyFileError):
    """The keys are past their date: make new ones."""


class KeysRetiredError(KeyFileError):
    """The keys are retired, since a server answered wrongly under them: they decrypt, and encrypt no more."""


class WrongPassphraseError(KeyFileError):
    """The passphrase is not the one that the key file was written with."""


class CorruptedKeyFileError(KeyFileError):
    """The bytes are damaged, or are no key file."""


class ServerError(CryptableError):
    """The server refused or failed.

    Args:
        message: what happened and what to do.
        code: name of the gRPC status, as "NOT_FOUND".
        retry_after: seconds after which the same call may succeed, as the server says; None where it does not.
    """

    def __init__(self, message: str, *, code: str, retry_after: float | None = None) -> None:
        super().__init__(message)
        self.code = code
        self.retry_after = retry_after


class UnavailableError(ServerError):
    """The server cannot be reached, or is restarting: the same call may be tried again."""


class TimeoutExceededError(ServerError):
    """No answer came before the deadline."""


class NotFoundError(ServerError):
    """The server has no such model or keys."""


class SpecChangedError(ServerError):
    """The model was replaced after this connection was made: connect again to get its new specification."""


class OverloadedError(ServerError):
    """A queue or a quota of the server is full: try again later."""


class DataLossError(ServerError):
    """Evaluation keys were damaged on their way or in the server's store: they must be sent again."""


class AuthenticationError(ServerError):
    """The server does not know the caller, or does not allow the call."""


class RequestRefusedError(ServerError):
    """The server calls the request malformed."""
