"""Certificates: what a server shows in TLS and asks of its callers, read again while it runs, and when that expires."""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import grpc

from cryptable_server.calls.tls.credentials import TlsFiles, read_client_ca, read_pair
from cryptable_server.calls.tls.expiry import Expiry
from cryptable_server.errors import ConfigurationError
from cryptable_server.files.regular_files import FileState, file_state
from cryptable_server.logs import log

_LOGGER = logging.getLogger(__name__)
LOOK_SECONDS = 5.0
"""Between looks for changes of the files."""
_REMIND_SECONDS = 86_400.0
_LEVELS = {"warning": logging.WARNING, "bad": logging.ERROR}
_CERTIFICATE = "tls-certificate"
_CLIENT_CA = "client-ca"


@dataclass(frozen=True)
class _Held:
    """What the files held when they were read well."""

    states: tuple[FileState, ...]
    configuration: grpc.ServerCertificateConfiguration
    expiries: Mapping[str, Expiry]


class Certificates:
    """The files of TLS. New handshakes are made with what was read last; connections that are open go on.

    Safe to use from several threads: gRPC asks in threads of its own.
    """

    def __init__(self, files: TlsFiles, client_ca: Path | None = None) -> None:
        """Read the files.

        Raises:
            ConfigurationError: one cannot be read, or is not what it should be.
        """
        self.files = files
        self._client_ca = client_ca
        self._reason: str | None = None
        """Why the files could not be read when they were tried last."""
        self._told: dict[str, tuple[str, float]] = {}
        """How bad each expiry was when it was logged last, and when that was."""
        self._held = self._read()
        self._offered = self._held
        """What gRPC has."""

    def credentials(self) -> grpc.ServerCredentials:
        """For a server, as long as this is kept."""
        return grpc.dynamic_ssl_server_credentials(
            self._held.configuration,
            self._fetch,  # type: ignore[arg-type]  # it may return None, says gRPC, for "as before"
            require_client_authentication=self._client_ca is not None,
        )

    @property
    def version(self) -> object:
        """Differs after the files were read again."""
        return self._held.states

    @property
    def expiries(self) -> Mapping[str, Expiry]:
        """By the setting that names the file."""
        return self._held.expiries

    def refresh(self) -> None:
        """Read the files again if they have changed; if they cannot be read, what they held before stays."""
        try:
            # What could not be read is tried again each time: while a renewal writes two files, they do not fit, and
            # a table of open files that was full leaves no trace in them.
            if self._reason is not None or self._have_changed():
                self._held = self._read()
                self._reason = None
                log(_LOGGER, logging.INFO, "certificates read", **{_key(at): str(e) for at, e in self.expiries.items()})
        except ConfigurationError as error:
            if self._reason != (reason := str(error)):
                log(_LOGGER, logging.ERROR, "certificates cannot be read; those read before stay", reason=reason)
            self._reason = reason
        self.remind()

    def remind(self) -> None:
        """Log what expires soon or has, when that begins and once a day."""
        for name, expiry in self.expiries.items():
            told, at = self._told.get(name, ("good", 0.0))
            if expiry.severity != "good" and (told != expiry.severity or time.monotonic() - at >= _REMIND_SECONDS):
                level = _LEVELS[expiry.severity]
                log(_LOGGER, level, "certificate expires", setting=name, certificate=str(expiry), days=_days(expiry))
                at = time.monotonic()
            self._told[name] = expiry.severity, at

    @contextmanager
    def watched(self, seconds: float = LOOK_SECONDS) -> Iterator[None]:
        """Refresh every so many seconds while the block lasts.

        In a thread that ends with the process: a file system that hangs is to keep neither it nor a handshake.
        """
        ended = threading.Event()

        def watch() -> None:
            while not ended.wait(seconds):
                try:
                    self.refresh()
                except Exception:  # the next look may go better
                    _LOGGER.exception("unexpected error")

        threading.Thread(target=watch, name="certificates", daemon=True).start()
        try:
            yield
        finally:
            ended.set()

    def _fetch(self) -> grpc.ServerCertificateConfiguration | None:
        held = self._held
        if held is self._offered:
            return None
        self._offered = held
        return held.configuration

    def _have_changed(self) -> bool:
        try:
            return self._states() != self._held.states
        except OSError:
            return True

    def _states(self) -> tuple[FileState, ...]:
        paths = (self.files.certificate, self.files.private_key, self._client_ca)
        return tuple(file_state(path) for path in paths if path is not None)

    def _read(self) -> _Held:
        try:
            states = self._states()  # before the files are read: a change meanwhile is seen the next time
        except OSError as error:
            raise ConfigurationError(f"{error.filename}: {error.strerror or error}") from error
        pair = read_pair(self.files)
        expiries = {_CERTIFICATE: Expiry.of_chain(pair[1])}
        authorities = None
        if self._client_ca is not None:
            authorities = read_client_ca(self._client_ca)
            expiries[_CLIENT_CA] = Expiry.of_authorities(authorities)
        return _Held(states, grpc.ssl_server_certificate_configuration([pair], authorities), expiries)


def _key(setting: str) -> str:
    return setting.replace("-", "_")


def _days(expiry: Expiry) -> float:
    return round(expiry.seconds_left / 86_400.0, 1)
