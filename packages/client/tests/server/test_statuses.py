"""What statuses of a server become: errors of the client, each with the name of the status, printable."""

import grpc
import pytest
from cryptable_client.errors import (
    AuthenticationError,
    DataLossError,
    NotFoundError,
    OverloadedError,
    RequestRefusedError,
    ServerError,
    SpecChangedError,
    TimeoutExceededError,
    UnavailableError,
)
from cryptable_client.server.connection import connect

ROWS = [[22.0, 3.0], [30.0, 15.5], [0.0, -4.0]]


def open_echo(echo, **options):
    return connect(echo.address, model="echo", insecure=True, timeout=20, **options)


STATUSES = [
    (grpc.StatusCode.UNAVAILABLE, UnavailableError),
    (grpc.StatusCode.DEADLINE_EXCEEDED, TimeoutExceededError),
    (grpc.StatusCode.NOT_FOUND, NotFoundError),
    (grpc.StatusCode.FAILED_PRECONDITION, SpecChangedError),
    (grpc.StatusCode.RESOURCE_EXHAUSTED, OverloadedError),
    (grpc.StatusCode.UNAUTHENTICATED, AuthenticationError),
    (grpc.StatusCode.PERMISSION_DENIED, AuthenticationError),
    (grpc.StatusCode.INVALID_ARGUMENT, RequestRefusedError),
    (grpc.StatusCode.UNIMPLEMENTED, RequestRefusedError),
    (grpc.StatusCode.INTERNAL, ServerError),
    (grpc.StatusCode.DATA_LOSS, DataLossError),
]


@pytest.mark.parametrize(("code", "error"), STATUSES)
@pytest.mark.parametrize("method", ["GetModel", "Infer", "InferRow"])
def test_statuses_become_typed_errors(echo, spec_without_lookups, code, error, method):
    echo.spec = spec_without_lookups
    # A server that has no InferRow is asked by a stream.
    methods = (method, "Infer") if (method, code) == ("InferRow", grpc.StatusCode.UNIMPLEMENTED) else (method,)
    echo.failures = {each: [(code, "because \x1b[31mred\n" + "x" * 1000)] for each in methods}
    with pytest.raises(error) as caught, open_echo(echo) as remote:
        remote.predict(ROWS[:1] if method == "InferRow" else ROWS)
    assert type(caught.value) is error
    assert caught.value.code == code.name
    message = str(caught.value)
    assert "because" in message
    assert code.name in message
    assert message.isprintable()
    assert len(message) < 600
