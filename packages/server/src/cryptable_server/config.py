"""ServerConfig: every setting of a server, checked, in one frozen value."""

from __future__ import annotations

import ipaddress
import os
from dataclasses import dataclass
from pathlib import Path

from cryptable_protocol import limits

from cryptable_server.errors import ConfigurationError

GIB = 1 << 30
DAY = 86_400.0


def default_data_directory() -> Path:
    """Where keys and compiled programs are kept unless told otherwise."""
    base = os.environ.get("XDG_DATA_HOME")
    return (Path(base) if base else Path.home() / ".local" / "share") / "cryptable-server"


@dataclass(frozen=True, kw_only=True)
class WorkerConfig:
    """Evaluation workers: processes of their own, which alone load native cryptography."""

    count: int
    threads: int
    key_memory_bytes: int = 4 * GIB
    """Expanded evaluation keys that one worker keeps; the least recently used go first."""
    memory_bytes: int | None = 16 * GIB
    """Address space of one worker; None: no limit."""
    evaluation_seconds: float = 300.0
    """A worker that takes longer for one row is killed."""
    start_seconds: float = 60.0
    queue_rows: int = 256
    """Rows waiting for all workers together; more are refused."""
    queue_rows_per_principal: int | None = None
    """Rows waiting of one principal; None: no limit but the one above."""
    crashes: int = 3
    """A principal whose rows ended so many workers within `crash_seconds` is refused for a while."""
    crash_seconds: float = 60.0

    def __post_init__(self) -> None:
        _require(self.count >= 1, f"--workers {self.count}: at least 1 is needed")
        _require(self.threads >= 1, f"--threads-per-worker {self.threads}: at least 1 is needed")
        _require(self.key_memory_bytes > 0, "--key-memory must be positive")
        _require(self.evaluation_seconds > 0, "--evaluation-timeout must be positive")
        _require(self.queue_rows >= 1, "--queue must be at least 1")
        most = self.queue_rows_per_principal
        _require(most is None or most >= 1, "--queue-per-principal must be at least 1")


@dataclass(frozen=True, kw_only=True)
class TlsFiles:
    """Certificate chain and private key, PEM."""

    certificate: Path
    private_key: Path


@dataclass(frozen=True, kw_only=True)
class ServerConfig:
    """What `cryptable-server serve` runs with. Sizes are in bytes, times in seconds."""

    models: Path
    keys: Path
    programs: Path
    host: str
    port: int
    tls: TlsFiles | None
    """None: no TLS, only for loopback addresses."""
    workers: WorkerConfig
    key_quota_bytes: int | None = 64 * GIB
    """All stored evaluation keys together, what has come of uploads included; the least recently used make room for
    others, but not those in use. None: no limit."""
    principal_key_quota_bytes: int | None = None
    """One principal's evaluation keys, announced uploads included; None: no limit but the one above."""
    key_seconds: float | None = None
    """Evaluation keys that were not used for so long, while the server ran, are removed; None: they stay."""
    tokens: Path | None = None
    """File of bearer tokens; None: none are asked for."""
    client_ca: Path | None = None
    """Certificates (PEM) that sign those which clients must show; None: clients need none."""
    metrics: tuple[str, int] | None = None
    """Host and port, on this machine alone, where Prometheus may read; None: nowhere."""
    watch_seconds: float = 5.0
    """How often the directory of models is looked at for changes; 0: on SIGHUP only."""
    max_request_bytes: int = limits.CHUNK_BYTES + 8 * limits.MAX_VECTOR_SIZE
    """One request message: room for a chunk of keys or a row of the largest input tensor, whichever is more."""
    max_rows: int = 100_000
    """Rows of one Infer stream."""
    max_calls: int = 256
    """Calls in progress at once."""
    idle_seconds: float = 120.0
    """How long a stream may send nothing."""
    drain_seconds: float = 30.0
    """How long calls in progress may take to end after SIGTERM."""
    compile_seconds: float = 600.0
    """One model's verification and compilation."""

    def __post_init__(self) -> None:
        _require(self.models.is_dir(), f"--models {self.models}: no such directory")
        _require(0 <= self.port <= 65535, f"--address: port {self.port} is not in 0 .. 65535")
        _require(
            self.tls is not None or is_loopback(self.host),
            f"--insecure is for loopback addresses only, and {self.host!r} is not one. Ciphertexts are safe without "
            "TLS, but nothing would prove to a client which server it talks to. Give --tls-certificate and --tls-key, "
            "or --address 127.0.0.1:50051",
        )

        _require(
            self.client_ca is None or self.tls is not None, "--client-ca needs TLS: a certificate of the server as well"
        )
        _require(
            self.metrics is None or is_loopback(self.metrics[0]),
            "--metrics is for loopback addresses only: it asks nobody who they are",
        )
        _require(self.key_seconds is None or self.key_seconds > 0, "--key-days must be positive, or 0 for no limit")
        _require(self.watch_seconds >= 0, "--watch must not be negative")

    @property
    def address(self) -> str:
        """As gRPC takes it."""
        return join_address(self.host, self.port)


def is_loopback(host: str) -> bool:
    """Whether only this machine can reach `host`."""
    if host == "localhost":
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return False


def split_address(address: str, *, option: str = "--address") -> tuple[str, int]:
    """Host and port of "HOST:PORT" or "[IPv6]:PORT"; raises ConfigurationError on all else, which names `option`."""
    host, separator, port = address.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise ConfigurationError(f"{option} {address!r}: write an IPv6 address as [::1]:50051")
    if not separator or not host or not (port.isascii() and port.isdigit()):
        raise ConfigurationError(f"{option} {address!r} is not HOST:PORT, as in 127.0.0.1:50051")
    return host, int(port)


def join_address(host: str, port: int) -> str:
    """The inverse of `split_address`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"


def _require(condition: bool, message: str) -> None:
    if not condition:
        raise ConfigurationError(message)
