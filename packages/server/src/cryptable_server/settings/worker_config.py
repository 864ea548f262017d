"""WorkerConfig: the settings of evaluation workers, and what settings of several configurations are made of."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from cryptable_server.settings.declaration import check_fields, setting
from cryptable_server.settings.kinds import GIB, Number

HOW_MUCH = "how much it may take"
SECONDS = Number("SECONDS", or_equal=False)
GIBIBYTES = Number("GIB", scale=GIB, or_equal=False)
GIBIBYTES_OR_ANY = Number("GIB", scale=GIB, zero_is_none=True)


def _rows(*, or_any: bool = False) -> Number:
    return Number("ROWS", whole=True, minimum=1, zero_is_none=or_any)


def callers_are_known(raw: Mapping[str, Any]) -> bool:
    """Whether the server asks who calls, by the raw values of settings."""
    return any(raw[name] is not None for name in ("tokens", "jwt-keys", "client-ca"))


@dataclass(frozen=True, kw_only=True)
class WorkerConfig:
    """Evaluation workers: processes of their own, which alone load native cryptography."""

    count: int = setting(
        "workers",
        Number("N", whole=True, minimum=1),
        group=HOW_MUCH,
        default=1,
        help="evaluation processes",
    )
    threads: int = setting(
        "threads-per-worker",
        Number("N", whole=True, minimum=1),
        group=HOW_MUCH,
        default_text="the cores divided by workers",
        derive=lambda raw: max(1, (os.cpu_count() or 1) // max(1, raw["workers"])),
        help="of one worker",
    )
    key_memory_bytes: int = setting(
        "key-memory",
        GIBIBYTES,
        group=HOW_MUCH,
        default=4,
        help="expanded evaluation keys that one worker keeps; the least recently used go first",
    )
    memory_bytes: int | None = setting(
        "worker-memory", GIBIBYTES_OR_ANY, group=HOW_MUCH, default=16, help="all of one worker; 0: no limit"
    )
    bulk_disk_bytes: int = setting(
        "bulk-disk",
        GIBIBYTES,
        group=HOW_MUCH,
        default=16,
        help="rows in bulk that come in, wait or are evaluated, in files beside compiled models; of one caller, half",
    )
    evaluation_seconds: float = setting(
        "evaluation-timeout",
        SECONDS,
        group=HOW_MUCH,
        default=300,
        help="of one row; a worker that takes longer is killed",
    )
    start_seconds: float = 60.0
    queue_rows: int = setting(
        "queue", _rows(), group=HOW_MUCH, default=256, help="waiting for all workers together; more are refused"
    )
    queue_rows_per_principal: int | None = setting(
        "queue-per-principal",
        _rows(or_any=True),
        group=HOW_MUCH,
        default_text="half of queue with tokens or client-ca, else 0",
        derive=lambda raw: max(1, raw["queue"] // 2) if callers_are_known(raw) else 0,
        default=0,
        help="waiting of one caller; 0: no limit but queue",
    )
    queue_rows_per_model: int | None = setting(
        "queue-per-model",
        _rows(or_any=True),
        group=HOW_MUCH,
        default_text="three quarters of queue",
        derive=lambda raw: max(1, 3 * raw["queue"] // 4),
        default=0,
        help="waiting for one model, all its versions together; 0: no limit but queue",
    )
    crashes: int = 3
    """A principal whose rows ended so many workers within `crash_seconds` is refused for a while."""
    crash_seconds: float = 60.0

    def __post_init__(self) -> None:
        check_fields(self)
