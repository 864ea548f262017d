"""`connect`: from an address and a model's name to a RemoteModel. grpc is imported here, when a connection is made."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from cryptable_protocol import limits
from cryptable_protocol.errors import InvalidInputError

from cryptable_client.secret_keys import SecretKeys

if TYPE_CHECKING:
    from cryptable_protocol.client_spec import ClientSpec

    from cryptable_client.remote import ModelSummary, RemoteModel

DEFAULT_TIMEOUT = 120.0


def connect(
    address: str,
    *,
    model: str,
    root_certificates: str | os.PathLike[str] | bytes | None = None,
    insecure: bool = False,
    secret_keys: SecretKeys | None = None,
    evaluation_keys: str | os.PathLike[str] | None = None,
    timeout: float = DEFAULT_TIMEOUT,
    progress: bool | None = None,
) -> RemoteModel:
    """Fetch a model's specification, check it, make keys, and upload the evaluation keys where the server lacks them.

    Args:
        address: of the server, as "host:port".
        model: its name there.
        root_certificates: PEM bytes, or the path of a PEM file, for a server whose certificate no public authority
            signed.
        insecure: speak without TLS; only to this very machine.
        secret_keys: keys to use; by default new ones for this connection alone, deleted with it here and on the server.
        evaluation_keys: file that keeps the evaluation keys of `secret_keys`, which are public, between runs: used
            where it exists, else written.
        timeout: seconds to wait for an answer: of a call, or of a row under evaluation.
        progress: show bars for key generation and upload; by default where standard error is a terminal.

    Returns:
        The model, to be used in a `with` block.

    Raises:
        InvalidInputError: an argument does not fit.
        WeakParametersError: the server's parameters are refused; nothing was generated or sent.
        MalformedMessageError: what the server sent is no specification.
        ServerError: the server cannot be reached, has no such model, or refuses; the subclass says which.
    """
    if not timeout > 0:
        raise InvalidInputError(f"timeout must be a positive number of seconds, got {timeout}")
    if not 1 <= len(model) <= limits.MAX_NAME_LENGTH:
        raise InvalidInputError(f"a model's name has 1 to {limits.MAX_NAME_LENGTH} characters, got {len(model)}")
    if evaluation_keys is not None and secret_keys is None:
        raise InvalidInputError("evaluation_keys=... keeps the keys of secret_keys=..., which must be given too")
    from cryptable_client.remote import RemoteModel
    from cryptable_client.transport import open_channel

    channel = open_channel(address, root_certificates=root_certificates, insecure=insecure)
    return RemoteModel(
        channel,
        model=model,
        secret_keys=secret_keys,
        evaluation_keys=evaluation_keys,
        timeout=timeout,
        progress=progress,
    )


def fetch_spec(
    address: str,
    *,
    model: str,
    root_certificates: str | os.PathLike[str] | bytes | None = None,
    insecure: bool = False,
    timeout: float = DEFAULT_TIMEOUT,
) -> ClientSpec:
    """A model's specification, checked, without making keys; arguments and errors as for `connect`."""
    from cryptable_client import remote
    from cryptable_client.transport import open_channel

    with open_channel(address, root_certificates=root_certificates, insecure=insecure) as channel:
        return remote.fetch_spec(channel, model, timeout=timeout)[0]


def list_models(
    address: str,
    *,
    root_certificates: str | os.PathLike[str] | bytes | None = None,
    insecure: bool = False,
    timeout: float = DEFAULT_TIMEOUT,
) -> list[ModelSummary]:
    """The models that a server offers; arguments and errors as for `connect`."""
    from cryptable_client.remote import fetch_models
    from cryptable_client.transport import open_channel

    with open_channel(address, root_certificates=root_certificates, insecure=insecure) as channel:
        return fetch_models(channel, timeout=timeout)
