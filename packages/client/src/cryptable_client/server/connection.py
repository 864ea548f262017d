"""Server: from an address to its models. grpc is imported here, when a connection is made."""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, Literal, TypeAlias

from cryptable_protocol import limits
from cryptable_protocol.errors import InvalidInputError

from cryptable_client.keys.secret_keys import SecretKeys
from cryptable_client.schemes.scheme import SECURITY_BITS
from cryptable_client.server.access import DEFAULT_TIMEOUT, Access, PemSource

if TYPE_CHECKING:
    from cryptable_protocol.model.client_spec import ClientSpec

    from cryptable_client.server.remote_model import ModelSummary, RemoteModel
    from cryptable_client.server.spot_checks import SpotChecks
    from cryptable_client.server.trust import Trust

Pins: TypeAlias = "str | os.PathLike[str] | Literal[False] | None"


class Server:
    """A server: how it is reached, and what its models must be to be trusted. Nothing is sent until a method is called.

    Args:
        address: "host:port".
        root_certificates: PEM bytes, or the path of a PEM file, for a server whose certificate no public authority
            signed.
        insecure: speak without TLS; only to this very machine.
        client_certificate: PEM bytes or path of your own certificate, for a server that asks for one (mutual TLS).
        client_key: PEM bytes or path of its private key, unencrypted.
        token: bearer token, for a server that asks for one; by default that of the environment variable
            CRYPTABLE_TOKEN.
        signer: the public key, in hexadecimal, that must have signed the models.
        pins: folder that remembers who signed a model and its crypto parameters, so that a change is noticed; by
            default one in your configuration folder, but none for servers on this very machine; False for none.
        accept_changes: remember what comes, whatever was remembered.
        security_bits: that every parameter must give: 128, or 132, which no model that Cryptable compiles gives: it is
            for those whose keysets were chosen by hand.
        timeout: seconds to wait for each answer: of a call, or of a row under evaluation.

    Raises:
        InvalidInputError: an argument does not fit.
    """

    def __init__(
        self,
        address: str,
        *,
        root_certificates: PemSource | None = None,
        insecure: bool = False,
        client_certificate: PemSource | None = None,
        client_key: PemSource | None = None,
        token: str | None = None,
        signer: str | None = None,
        pins: Pins = None,
        accept_changes: bool = False,
        security_bits: int = SECURITY_BITS,
        timeout: float = DEFAULT_TIMEOUT,
    ) -> None:
        self._access = Access(address, root_certificates, insecure, client_certificate, client_key, token, timeout)
        self._trust = make_trust(self._access, signer, pins, accept_changes=accept_changes, security_bits=security_bits)

    @classmethod
    def _of(cls, access: Access, trust: Trust) -> Server:
        """From its arguments as values, for the package's own commands."""
        server = object.__new__(cls)
        server._access, server._trust = access, trust
        return server

    def models(self) -> list[ModelSummary]:
        """The models that it offers.

        Raises:
            ServerError: it cannot be reached, or refuses; the subclass says which.
            MalformedMessageError: what it sent is no list of models.
        """
        from cryptable_client.server.remote_model import fetch_models
        from cryptable_client.server.transport import open_channel

        with open_channel(self._access) as channel:
            return fetch_models(channel, timeout=self._access.timeout)

    def spec(self, model: str) -> ClientSpec:
        """A model's specification, checked, without making keys; errors as for `model`."""
        _check_name(model)
        from cryptable_client.server import remote_model
        from cryptable_client.server.transport import open_channel

        with open_channel(self._access) as channel:
            return remote_model.fetch_spec(channel, self._access, model, trust=self._trust).spec

    def model(
        self,
        model: str,
        *,
        secret_keys: SecretKeys | None = None,
        evaluation_keys: str | os.PathLike[str] | None = None,
        progress: bool | None = None,
        spot_checks: SpotChecks | None = None,
        rows_together: bool | None = None,
        bulk: bool = True,
    ) -> RemoteModel:
        """Fetch a model's specification, check it, make keys, and upload the evaluation keys where they are lacking.

        Args:
            model: its name there.
            secret_keys: keys to use; by default new ones for this connection alone, deleted with it here and there.
            evaluation_keys: file that keeps the evaluation keys of `secret_keys`, which are public, between runs: used
                where it exists, else written.
            progress: show bars for key generation and upload; by default where standard error is a terminal.
            spot_checks: rows with known answers to send among the others (`SpotChecks.load`); by default none. The
                verdict is given where the `with` block ends, by a WrongAnswersError: use no answer before.
            rows_together: send rows together, a few in each message, where the server takes them so: fewer bytes for
                more seconds of its CPU. By default where it is another machine than this.
            bulk: have many rows evaluated together, in the slots of the same ciphertexts, where the server says that
                this is less work: under keys of their own, made when they are first needed. Answers are the same.

        Returns:
            The model, to be used in a `with` block.

        Raises:
            InvalidInputError: an argument does not fit.
            WeakParametersError: the server's parameters are refused; nothing was generated or sent.
            UnknownSchemeError: the model is of a scheme that this client does not know; nothing was generated or sent.
            TrustError: the model is not the one that was trusted, or the spot checks are by another signer; nothing was
                generated or sent.
            MalformedMessageError: what the server sent is no specification.
            ServerError: the server cannot be reached, has no such model, or refuses; the subclass says which.
        """
        _check_name(model)
        if evaluation_keys is not None and secret_keys is None:
            raise InvalidInputError("evaluation_keys=... keeps the keys of secret_keys=..., which must be given too")
        from cryptable_client.server.remote_model import RemoteModel
        from cryptable_client.server.transport import open_channel

        return RemoteModel(
            open_channel(self._access),
            self._access,
            model=model,
            trust=self._trust,
            secret_keys=secret_keys,
            evaluation_keys=evaluation_keys,
            progress=progress,
            spot_checks=spot_checks,
            rows_together=rows_together,
            bulk=bulk,
        )

    def __repr__(self) -> str:
        return f"<Server {self._access.address}>"


def connect(
    address: str,
    *,
    model: str,
    root_certificates: PemSource | None = None,
    insecure: bool = False,
    client_certificate: PemSource | None = None,
    client_key: PemSource | None = None,
    token: str | None = None,
    secret_keys: SecretKeys | None = None,
    evaluation_keys: str | os.PathLike[str] | None = None,
    signer: str | None = None,
    pins: Pins = None,
    accept_changes: bool = False,
    security_bits: int = SECURITY_BITS,
    timeout: float = DEFAULT_TIMEOUT,
    progress: bool | None = None,
    spot_checks: SpotChecks | None = None,
    rows_together: bool | None = None,
    bulk: bool = True,
) -> RemoteModel:
    """Fetch a model's specification, check it, make keys, and upload the evaluation keys where the server lacks them.

    Args:
        address: of the server, as "host:port".
        model: its name there.
        root_certificates: PEM bytes, or the path of a PEM file, for a server whose certificate no public authority
            signed.
        insecure: speak without TLS; only to this very machine.
        client_certificate: PEM bytes or path of your own certificate, for a server that asks for one (mutual TLS).
        client_key: PEM bytes or path of its private key, unencrypted.
        token: bearer token, for a server that asks for one; by default that of the environment variable
            CRYPTABLE_TOKEN.
        secret_keys: keys to use; by default new ones for this connection alone, deleted with it here and on the server.
        evaluation_keys: file that keeps the evaluation keys of `secret_keys`, which are public, between runs: used
            where it exists, else written.
        signer: the public key, in hexadecimal, that must have signed the model.
        pins: folder that remembers who signed a model and its crypto parameters, so that a change is noticed; by
            default one in your configuration folder, but none for servers on this very machine; False for none.
        accept_changes: remember what comes, whatever was remembered.
        security_bits: that every parameter must give: 128, or 132, which no model that Cryptable compiles gives: it is
            for those whose keysets were chosen by hand.
        timeout: seconds to wait for each answer: of a call, or of a row under evaluation.
        progress: show bars for key generation and upload; by default where standard error is a terminal.
        spot_checks: rows with known answers to send among the others (`SpotChecks.load`); by default none. The verdict
            is given where the `with` block ends, by a WrongAnswersError: use no answer before.
        rows_together: send rows together, a few in each message, where the server takes them so: fewer bytes for more
            seconds of its CPU. By default where it is another machine than this.
        bulk: have many rows evaluated together where the server says that this is less work: see `Server.model`.

    Returns:
        The model, to be used in a `with` block.

    Raises:
        InvalidInputError: an argument does not fit.
        WeakParametersError: the server's parameters are refused; nothing was generated or sent.
        TrustError: the model is not the one that was trusted, or the spot checks are by another signer; nothing was
            generated or sent.
        MalformedMessageError: what the server sent is no specification.
        ServerError: the server cannot be reached, has no such model, or refuses; the subclass says which.
    """
    server = Server(
        address,
        root_certificates=root_certificates,
        insecure=insecure,
        client_certificate=client_certificate,
        client_key=client_key,
        token=token,
        signer=signer,
        pins=pins,
        accept_changes=accept_changes,
        security_bits=security_bits,
        timeout=timeout,
    )
    return server.model(
        model,
        secret_keys=secret_keys,
        evaluation_keys=evaluation_keys,
        progress=progress,
        spot_checks=spot_checks,
        rows_together=rows_together,
        bulk=bulk,
    )


def fetch_spec(
    address: str,
    *,
    model: str,
    root_certificates: PemSource | None = None,
    insecure: bool = False,
    client_certificate: PemSource | None = None,
    client_key: PemSource | None = None,
    token: str | None = None,
    signer: str | None = None,
    pins: Pins = None,
    accept_changes: bool = False,
    security_bits: int = SECURITY_BITS,
    timeout: float = DEFAULT_TIMEOUT,
) -> ClientSpec:
    """A model's specification, checked, without making keys; arguments and errors as for `connect`."""
    server = Server(
        address,
        root_certificates=root_certificates,
        insecure=insecure,
        client_certificate=client_certificate,
        client_key=client_key,
        token=token,
        signer=signer,
        pins=pins,
        accept_changes=accept_changes,
        security_bits=security_bits,
        timeout=timeout,
    )
    return server.spec(model)


def list_models(
    address: str,
    *,
    root_certificates: PemSource | None = None,
    insecure: bool = False,
    client_certificate: PemSource | None = None,
    client_key: PemSource | None = None,
    token: str | None = None,
    timeout: float = DEFAULT_TIMEOUT,
) -> list[ModelSummary]:
    """The models that a server offers; arguments and errors as for `connect`."""
    return Server(
        address,
        root_certificates=root_certificates,
        insecure=insecure,
        client_certificate=client_certificate,
        client_key=client_key,
        token=token,
        pins=False,  # of which a list makes no use
        timeout=timeout,
    ).models()


def make_trust(access: Access, signer: str | None, pins: Pins, *, accept_changes: bool, security_bits: int) -> Trust:
    """What is trusted, from the arguments of `connect`."""
    from cryptable_client.server.trust import Trust, default_pins

    folder = default_pins(access) if pins is None else None if pins is False else Path(pins)
    return Trust(folder, signer, accept_changes, security_bits)


def _check_name(model: str) -> None:
    if not 1 <= len(model) <= limits.MAX_NAME_LENGTH:
        raise InvalidInputError(f"a model's name has 1 to {limits.MAX_NAME_LENGTH} characters, got {len(model)}")
