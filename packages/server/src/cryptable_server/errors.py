"""Exceptions of the server, each with the gRPC status that a caller gets, or the exit status of the process.

CryptableError
├── ServerError                     a call fails; `status` names a grpc.StatusCode
│   ├── RequestError                ... because of the request
│   │   ├── ModelNotFoundError, KeysNotFoundError                       NOT_FOUND
│   │   ├── SpecDiffersError, KeysMissingError, KeysetDiffersError,
│   │   │   BatchDiffersError, ModelNotLoadableError                    FAILED_PRECONDITION
│   │   ├── KeysCorruptedError, PartGoneError                           DATA_LOSS
│   │   ├── UploadCutShortError, UnreadableHeaderError                  INVALID_ARGUMENT
│   │   ├── UnknownMethodError                                          UNIMPLEMENTED
│   │   ├── StreamTooSlowError, EvaluationTimedOutError, TooLateError   DEADLINE_EXCEEDED
│   │   └── OverloadedError, QuotaExceededError, KeysTooLargeError,
│   │       StorageFullError, RowLimitExceededError, ThrottledError,
│   │       TooManyCallsError, ModelBusyError, RequestTooLargeError     RESOURCE_EXHAUSTED
│   ├── UnauthenticatedError, ForbiddenError         UNAUTHENTICATED, PERMISSION_DENIED
│   ├── WorkerDiedError, DrainingError, StreamTooOldError,
│   │   ObjectStoreError                                                UNAVAILABLE
│   └── EvaluationFailedError                                           INTERNAL
├── StartError                      the server cannot start; `exit_status` is the process's
│   ├── ConfigurationError                                              2
│   ├── ModelsError                                                     3
│   └── BindError, ExecutorError                                        4
├── CommandError                    an operator's command failed; `exit_status` is the process's
│   ├── RemoteError                                                     5, 6, 7
│   └── NotServingError                                                 8
└── ArtifactRefusedError            one artifact is not served; the others are
"""

from __future__ import annotations

from typing import ClassVar

from cryptable_protocol import CryptableError


class ServerError(CryptableError):
    """Base of what a gRPC caller can get; `retry_after` is in seconds, None where a retry cannot help."""

    status: ClassVar[str] = "INTERNAL"
    retry_after: float | None = None


class RequestError(ServerError):
    """The request cannot be served as it stands."""

    status = "INVALID_ARGUMENT"


class ModelNotFoundError(RequestError):
    """No model of that name is served."""

    status = "NOT_FOUND"


class KeysNotFoundError(RequestError):
    """The caller has no evaluation keys of that digest here."""

    status = "NOT_FOUND"


class SpecDiffersError(RequestError):
    """The rows are encoded with another ClientSpec than the model's."""

    status = "FAILED_PRECONDITION"


class BatchDiffersError(RequestError):
    """The rows travel together in another way than the model's rows do here, if these do."""

    status = "FAILED_PRECONDITION"


class KeysMissingError(RequestError):
    """The model needs evaluation keys, and the call names none."""

    status = "FAILED_PRECONDITION"


class KeysetDiffersError(RequestError):
    """The evaluation keys are of another keyset than the model's."""

    status = "FAILED_PRECONDITION"


class ModelNotLoadableError(RequestError):
    """A version of a model that is there, and cannot be served."""

    status = "FAILED_PRECONDITION"


class KeysCorruptedError(RequestError):
    """Bytes of evaluation keys are not those that their SHA-256 names."""

    status = "DATA_LOSS"


class PartGoneError(RequestError):
    """An upload goes on from more bytes, or fewer, than the server has of it."""

    status = "DATA_LOSS"


class UploadCutShortError(RequestError):
    """A stream of evaluation keys ended before their last byte."""


class UnreadableHeaderError(RequestError):
    """A header of an HTTP request has no meaning."""


class UnknownMethodError(RequestError):
    """There is no such method, or it is none that is called over HTTP."""

    status = "UNIMPLEMENTED"


class RequestTooLargeError(RequestError):
    """An HTTP request has more bytes than a gRPC message may have."""

    status = "RESOURCE_EXHAUSTED"


class StreamTooSlowError(RequestError):
    """The caller sent nothing for longer than the server waits."""

    status = "DEADLINE_EXCEEDED"


class EvaluationTimedOutError(RequestError):
    """An evaluation took longer than the server allows."""

    status = "DEADLINE_EXCEEDED"


class TooLateError(RequestError):
    """The caller's deadline has passed, or passes before a row can be evaluated; it is not begun."""

    status = "DEADLINE_EXCEEDED"


class OverloadedError(RequestError):
    """The queue of rows is full."""

    status = "RESOURCE_EXHAUSTED"

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(f"{message}; try again in {retry_after:.1f} s")
        self.retry_after = retry_after


class QuotaExceededError(RequestError):
    """The evaluation keys would exceed what the server stores at most."""

    status = "RESOURCE_EXHAUSTED"


class KeysTooLargeError(RequestError):
    """The evaluation keys do not fit the memory that a worker has for keys."""

    status = "RESOURCE_EXHAUSTED"


class StorageFullError(RequestError):
    """The disk has no room for the evaluation keys."""

    status = "RESOURCE_EXHAUSTED"


class RowLimitExceededError(RequestError):
    """More rows in one stream than the server accepts."""

    status = "RESOURCE_EXHAUSTED"


class ThrottledError(RequestError):
    """The caller's rows have ended too many workers."""

    status = "RESOURCE_EXHAUSTED"

    def __init__(self, message: str, *, retry_after: float) -> None:
        super().__init__(message)
        self.retry_after = retry_after


class ModelBusyError(RequestError):
    """As many streams use a model as its operator allows."""

    status = "RESOURCE_EXHAUSTED"
    retry_after = 1.0


class TooManyCallsError(RequestError):
    """The caller has as many calls in progress as it may."""

    status = "RESOURCE_EXHAUSTED"
    retry_after = 1.0


class UnauthenticatedError(ServerError):
    """The server asks who calls, and the call does not show it."""

    status = "UNAUTHENTICATED"


class ForbiddenError(ServerError):
    """The caller lacks a role."""

    status = "PERMISSION_DENIED"


class WorkerDiedError(ServerError):
    """The evaluation worker ended while it had the row."""

    status = "UNAVAILABLE"
    retry_after = 1.0


class DrainingError(ServerError):
    """The server is being stopped."""

    status = "UNAVAILABLE"
    retry_after = 5.0

    def __init__(self) -> None:
        super().__init__("the server is being stopped; connect again and send the rows that have no answer")


class StreamTooOldError(ServerError):
    """The stream has been open for as long as one may be."""

    status = "UNAVAILABLE"
    retry_after = 0.0

    def __init__(self, seconds: float) -> None:
        super().__init__(
            f"a stream is open for at most {seconds:g} s; open another for what has no answer, nothing else is lost"
        )


class ObjectStoreError(ServerError):
    """The object store does not answer, or refuses; the message has none of its words, which could name credentials."""

    status = "UNAVAILABLE"
    retry_after = 2.0


class EvaluationFailedError(ServerError):
    """The engine refused or failed on a row that had passed validation."""


class ArtifactRefusedError(CryptableError):
    """An artifact is malformed, or does not compute what it says; the message names what differs."""


class StartError(CryptableError):
    """The server cannot start."""

    exit_status: ClassVar[int] = 1


class ConfigurationError(StartError):
    """Options that do not fit together, or a path that cannot be used; the message names the option."""

    exit_status = 2


class ModelsError(StartError):
    """There is no model to serve, or two of one name."""

    exit_status = 3


class BindError(StartError):
    """The address cannot be listened on."""

    exit_status = 4


class ExecutorError(StartError):
    """The evaluation workers do not come up."""

    exit_status = 4


class CommandError(CryptableError):
    """A command to a running server failed."""

    exit_status: int = 1


class RemoteError(CommandError):
    """The server cannot be reached, or refused; the message has its own words."""

    def __init__(self, message: str, exit_status: int) -> None:
        super().__init__(message)
        self.exit_status = exit_status


class NotServingError(CommandError):
    """The server, or the model, is there and does not serve."""

    exit_status = 8
