"""ServerConfig: every setting of a server, declared once, checked, in one frozen value."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

from cryptable_protocol import limits
from cryptable_protocol.files.places import SERVER, data_folder

from cryptable_server.files.open_files import most_open_files
from cryptable_server.settings.addresses import is_loopback, join_address
from cryptable_server.settings.declaration import Setting, SettingError, check_fields, setting, settings_of
from cryptable_server.settings.kinds import DAY, Address, FilePath, Names, Number, Switch, Text
from cryptable_server.settings.store_config import StoreConfig
from cryptable_server.settings.worker_config import (
    GIBIBYTES_OR_ANY,
    HOW_MUCH,
    SECONDS,
    WorkerConfig,
    callers_are_known,
)

_MODELS = "what is served"
_WHERE = "where, and how callers connect (one of the TLS settings is needed)"
_WHO = "who may call (default: everyone who can connect)"
_WATCHED = "what operators see"

_MOST_CONNECTIONS = 8192
_ORIGIN = re.compile(r"(https|http)://(\[[0-9a-f:.]+\]|[0-9a-z](?:[0-9a-z.-]*[0-9a-z])?)(:[0-9]{1,5})?")


def default_data_directory() -> Path:
    """Where keys and compiled programs are kept unless told otherwise."""
    return data_folder(SERVER)


@dataclass(frozen=True, kw_only=True)
class ServerConfig:
    """What `cryptable-server serve` runs with. Sizes are in bytes, times in seconds."""

    models: Path = setting(
        "models", FilePath("DIR"), group=_MODELS, required=True, help="directory of *.cryptable artifacts"
    )
    keys: Path = setting(
        "keys",
        FilePath("DIR"),
        group=_MODELS,
        default_text="keys in the user's data directory, ~/.local/share/cryptable-server",
        derive=lambda _: str(default_data_directory() / "keys"),
        help="where clients' evaluation keys are kept",
    )
    programs: Path = setting(
        "programs",
        FilePath("DIR"),
        group=_MODELS,
        default_text="programs, beside keys",
        derive=lambda raw: str(Path(raw["keys"]).parent / "programs"),
        help="where compiled models are kept, native code that nobody else may write to",
    )
    stores: StoreConfig = field(default_factory=StoreConfig)
    watch_seconds: float = setting(
        "watch",
        Number("SECONDS"),
        group=_MODELS,
        default=5,
        help="between looks for changes in models; 0: on SIGHUP only",
    )
    open_inference: bool = setting(
        "open-inference",
        Switch(),
        group=_MODELS,
        default=False,
        help="answer the Open Inference Protocol (v2, gRPC) too, on the same port",
    )
    bulk: bool = setting(
        "bulk",
        Switch(),
        group=_MODELS,
        default=False,
        help="trees and squares take thousands of rows at once too, and hide less",
    )
    compile_seconds: float = setting(
        "compile-timeout", SECONDS, group=_MODELS, default=600, help="of one model's verification and compilation"
    )

    listen: tuple[str, int] = setting(
        "address", Address(), group=_WHERE, default="127.0.0.1:50051", help="port 0: any free one"
    )
    tls_certificate: Path | None = setting(
        "tls-certificate", FilePath("FILE"), group=_WHERE, family="connection", help="certificate chain, PEM"
    )
    tls_key: Path | None = setting(
        "tls-key", FilePath("FILE"), group=_WHERE, family="connection", help="its private key, PEM, not encrypted"
    )
    development_certificate: Path | None = setting(
        "development-certificate",
        FilePath("DIR"),
        group=_WHERE,
        family="connection",
        help="use a self-signed certificate for localhost from DIR, made there if there is none",
    )
    insecure: bool = setting(
        "insecure", Switch(), group=_WHERE, family="connection", default=False, help="no TLS; loopback addresses only"
    )

    web_listen: tuple[str, int] | None = setting(
        "web-address",
        Address(),
        group=_WHERE,
        help="answer pages there, over HTTP with the same certificate; needs cryptable-server[web]",
    )
    web_origins: tuple[str, ...] = setting(
        "web-origins",
        Names(),
        group=_WHERE,
        default=(),
        default_text="none",
        help="of pages that may call there, exactly, as https://www.example.org",
    )

    tokens: Path | None = setting(
        "tokens",
        FilePath("FILE"),
        group=_WHO,
        help="callers show a bearer token that cryptable-server tokens made",
    )
    jwt_keys: Path | None = setting(
        "jwt-keys",
        FilePath("FILE"),
        group=_WHO,
        help="callers show a signed token (JWT) of one of these public keys (JWKS); its subject is theirs; needs "
        "cryptable-server[web]",
    )
    jwt_issuer: str | None = setting("jwt-issuer", Text("ISSUER"), group=_WHO, help="that signed tokens name")
    jwt_audience: str | None = setting(
        "jwt-audience", Text("AUDIENCE"), group=_WHO, help="that signed tokens are for: this server"
    )
    client_ca: Path | None = setting(
        "client-ca",
        FilePath("FILE"),
        group=_WHO,
        help="callers show a TLS certificate that one of these (PEM) has signed; its common name is theirs",
    )

    admins: tuple[str, ...] = setting(
        "admins",
        Names(),
        group=_WHO,
        default=(),
        default_text="none",
        help="common names of client certificates whose owners may administer; tokens have roles of their own",
    )
    reflection: str = setting(
        "reflection",
        Text("WHO", choices=("everyone", "callers", "off")),
        group=_WHO,
        default="callers",
        help="to whom server reflection answers: everyone, callers (who may call anyway), or off",
    )

    executor: str = setting(
        "executor",
        Text("KIND", choices=("local", "ray")),
        group=HOW_MUCH,
        default="local",
        help="where workers run: on this machine, or on a Ray cluster, in a network that nobody else can reach",
    )
    ray_address: str = setting(
        "ray-address",
        Text("HOST:PORT"),
        group=HOW_MUCH,
        default="auto",
        help="of the Ray cluster; auto: the one that this machine is part of",
    )
    workers: WorkerConfig
    key_quota_bytes: int | None = setting(
        "key-quota",
        GIBIBYTES_OR_ANY,
        group=HOW_MUCH,
        default=64,
        help="all stored keys, what has come of uploads included; the least recently used make room, but not those in "
        "use; 0: no limit",
    )
    principal_key_quota_bytes: int | None = setting(
        "key-quota-per-principal",
        GIBIBYTES_OR_ANY,
        group=HOW_MUCH,
        default=0,
        default_text="a quarter of key-quota with tokens or client-ca, else 0",
        derive=lambda raw: raw["key-quota"] / 4 if callers_are_known(raw) else 0,
        help="one caller's stored keys, announced uploads included; 0: no limit but key-quota",
    )
    key_seconds: float | None = setting(
        "key-days",
        Number("DAYS", scale=DAY, zero_is_none=True),
        group=HOW_MUCH,
        default=90,
        help="keys unused for so long, while the server ran, are removed; 0: never",
    )
    max_rows: int = setting(
        "max-rows", Number("N", whole=True, minimum=1), group=HOW_MUCH, default=100_000, help="of one stream"
    )
    max_calls: int = setting(
        "max-calls",
        Number("N", whole=True, minimum=1),
        group=HOW_MUCH,
        default=256,
        help="in progress at once, but for health checks and administrators",
    )
    max_calls_per_principal: int | None = setting(
        "max-calls-per-principal",
        Number("N", whole=True, minimum=1, zero_is_none=True),
        group=HOW_MUCH,
        default=0,
        default_text="half of max-calls with tokens or client-ca, else 0",
        derive=lambda raw: max(1, raw["max-calls"] // 2) if callers_are_known(raw) else 0,
        help="of one caller in progress at once; 0: no limit but max-calls",
    )
    max_connections: int = setting(
        "max-connections",
        Number("N", whole=True, minimum=1),
        group=HOW_MUCH,
        default=_MOST_CONNECTIONS,
        default_text=f"half of the files that a process may open (ulimit -H -n), at most {_MOST_CONNECTIONS}",
        derive=lambda _: max(1, min(_MOST_CONNECTIONS, most_open_files() // 2)),
        help="open at once, those that have sent nothing yet included; more are closed as they come",
    )
    handshake_seconds: float = setting(
        "handshake-timeout",
        SECONDS,
        group=HOW_MUCH,
        default=10,
        help="of a new connection, until it speaks TLS and HTTP/2",
    )
    max_stream_seconds: float = setting(
        "max-stream",
        SECONDS,
        group=HOW_MUCH,
        default=3600,
        help="from a stream's beginning to its end; clients go on in another",
    )
    idle_seconds: float = setting(
        "idle-timeout",
        SECONDS,
        group=HOW_MUCH,
        default=120,
        help="of a stream that sends nothing, or takes no answer",
    )
    drain_seconds: float = setting(
        "drain", Number("SECONDS"), group=HOW_MUCH, default=30, help="for calls in progress after SIGTERM"
    )
    max_request_bytes: int = limits.CHUNK_BYTES + 8 * limits.MAX_VECTOR_SIZE
    """One request message: room for a chunk of keys or a row of the largest input tensor, whichever is more."""

    audit_log: Path | None = setting(
        "audit-log",
        FilePath("FILE"),
        group=_WATCHED,
        help="append a JSON line for each upload, deletion, administrator's call, refused caller; -: to standard error",
    )
    metrics: tuple[str, int] | None = setting(
        "metrics", Address(), group=_WATCHED, help="answer Prometheus there, over HTTP, and whoever else reaches it"
    )
    traces: str | None = setting(
        "traces",
        Text("URL"),
        group=_WATCHED,
        help="send a trace of each row to a collector's gRPC port (OTLP), as http://HOST:4317; needs "
        "cryptable-server[otel]",
    )
    log_level: str = setting(
        "log-level",
        Text("LEVEL", choices=("DEBUG", "INFO", "WARNING", "ERROR")),
        group=_WATCHED,
        default="INFO",
        help="DEBUG, INFO, WARNING or ERROR",
    )

    def __post_init__(self) -> None:
        check_fields(self)
        _require(
            not self.admins or self.client_ca is not None,
            "--admins are known by client certificates, which only --client-ca asks for; a token is made an "
            "administrator's by `tokens new --roles admin`",
            "admins",
        )
        _require(
            self.models.is_dir() or self.stores.models is not None,
            f"--models {self.models}: no such directory",
            "models",
        )
        _require(
            bool(self.jwt_keys) == bool(self.jwt_issuer) == bool(self.jwt_audience),
            "--jwt-keys, --jwt-issuer and --jwt-audience go together: keys alone would let in whoever has a token of "
            "that provider for something else",
            "jwt-keys",
            "jwt-issuer",
            "jwt-audience",
        )
        self._check_connection()
        self._check_web()
        _require(
            self.traces is None or self.traces.startswith(("http://", "https://")),
            "--traces is no address of a collector: http://HOST:PORT, or https://",
            "traces",
        )

    def _check_connection(self) -> None:
        chosen = [name for name, given in self._connections().items() if given]
        if len(chosen) != 1:
            raise SettingError(
                ("no certificate was given; choose" if not chosen else "more than one kind of connection; choose one")
                + " of:\n"
                "  --tls-certificate FILE --tls-key FILE  a certificate that clients trust\n"
                "  --development-certificate DIR          a self-signed one for localhost, made in DIR\n"
                "  --insecure                             no TLS, loopback addresses only",
                *chosen,
            )
        _require(
            (self.tls_certificate is None) == (self.tls_key is None),
            "--tls-certificate and --tls-key go together",
            "tls-certificate",
            "tls-key",
        )
        _require(
            not self.insecure or is_loopback(self.host),
            f"--insecure is for loopback addresses only, and {self.host!r} is not one. Ciphertexts are safe without "
            "TLS, but nothing would prove to a client which server it talks to. Give --tls-certificate and --tls-key, "
            "or --address 127.0.0.1:50051",
            "insecure",
            "address",
        )
        _require(
            self.client_ca is None or not self.insecure,
            "--client-ca needs TLS: a certificate of the server as well",
            "client-ca",
            "insecure",
        )

    def _check_web(self) -> None:
        _require(
            self.web_listen is not None or not self.web_origins,
            "--web-origins are of pages that call --web-address, which must be given too",
            "web-origins",
        )
        for origin in self.web_origins:
            _require(
                _ORIGIN.fullmatch(origin) is not None,
                f"--web-origins {origin!r} is no origin: a scheme, a host in lower case and a port unless it is the "
                "scheme's own, as https://www.example.org, with nothing behind; there is no way to name all",
                "web-origins",
            )
        if self.web_listen is None:
            return
        _require(
            not self.insecure or is_loopback(self.web_listen[0]),
            f"--insecure is for loopback addresses only, and {self.web_listen[0]!r} of --web-address is not one",
            "insecure",
            "web-address",
        )
        _require(
            self.client_ca is None or self.tokens is not None or self.jwt_keys is not None,
            "--web-address does not ask pages for client certificates, so that --client-ca lets none of them in: give "
            "--tokens or --jwt-keys too",
            "web-address",
            "client-ca",
        )

    def _connections(self) -> dict[str, bool]:
        return {
            "tls-certificate" if self.tls_certificate else "tls-key": bool(self.tls_certificate or self.tls_key),
            "development-certificate": self.development_certificate is not None,
            "insecure": self.insecure,
        }

    @property
    def host(self) -> str:
        """Where it listens."""
        return self.listen[0]

    @property
    def address(self) -> str:
        """As gRPC takes it."""
        return join_address(*self.listen)


NESTED = {"stores": StoreConfig, "workers": WorkerConfig}


def declared_settings() -> Iterator[tuple[str, Setting]]:
    """Dotted names of ServerConfig's fields and their settings, in order of declaration."""
    return settings_of(ServerConfig, nested=NESTED)


def _require(condition: bool, message: str, *names: str) -> None:
    if not condition:
        raise SettingError(message, *names)
