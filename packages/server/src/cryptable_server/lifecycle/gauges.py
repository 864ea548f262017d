"""Gauges: what a server's parts are at the moment that Prometheus asks."""

from __future__ import annotations

import time
from collections import Counter

from cryptable_server import __version__
from cryptable_server.calls.call_counter import CallCounter
from cryptable_server.calls.measures.metrics import Metrics
from cryptable_server.calls.tls.certificates import Certificates
from cryptable_server.executors.pool import WorkerPool
from cryptable_server.keys.store import KeyStore
from cryptable_server.models.directory import DirectoryModelStore
from cryptable_server.models.entry import State
from cryptable_server.settings.config import ServerConfig


def add_gauges(
    metrics: Metrics,
    *,
    config: ServerConfig,
    calls: CallCounter,
    executor: WorkerPool,
    keys: KeyStore,
    models: DirectoryModelStore,
) -> None:
    """Have `metrics` ask these parts."""
    began = time.monotonic()
    metrics.watch("uptime_seconds", "Since this server's start", lambda: time.monotonic() - began)
    metrics.watch("calls_in_progress", "Calls that are being answered", lambda: calls.total)
    metrics.watch("queue_rows", "Rows that wait or are evaluated", lambda: executor.waiting)
    metrics.watch("queue_limit_rows", "Rows that may wait", lambda: config.workers.queue_rows)
    metrics.watch("workers", "Evaluation workers that are up", lambda: len(executor.worker_pids))
    metrics.watch("worker_deaths", "Workers that ended while they had a row", lambda: executor.deaths)
    metrics.watch("key_bytes", "Stored evaluation keys, in bytes", lambda: keys.used_bytes)
    metrics.watch("key_limit_bytes", "What may be stored of them; 0: any", lambda: config.key_quota_bytes or 0)
    metrics.watch("keys", "Stored evaluation keys", lambda: keys.count)
    metrics.watch("models", "Models served, all versions", lambda: len(models.models()))
    metrics.watch_labelled("build", "The server's version", ["version"], lambda: {(__version__,): 1})
    metrics.watch_labelled(
        "model_versions",
        "Artifacts by what the server makes of them",
        ["state"],
        lambda: _by_state(models),
    )
    metrics.watch_labelled(
        "model_serving",
        "1 where a version of the model is served, 0 where none of those there is",
        ["model"],
        lambda: _serving(models),
    )


def add_expiries(metrics: Metrics, certificates: Certificates) -> None:
    """Have `metrics` tell how long certificates are good for."""
    metrics.watch_labelled(
        "certificate_seconds_left",
        "Until a certificate of TLS expires; negative once it has",
        ["setting"],
        lambda: {(name,): expiry.seconds_left for name, expiry in certificates.expiries.items()},
    )


def _by_state(models: DirectoryModelStore) -> dict[tuple[str, ...], float]:
    counted = Counter(entry.state for entry in models.entries())
    return {(state.value,): counted[state] for state in State}


def _serving(models: DirectoryModelStore) -> dict[tuple[str, ...], float]:
    here: dict[tuple[str, ...], float] = {(entry.name,): 0.0 for entry in models.entries() if entry.name}
    return {**here, **{(name,): 1.0 for name in models.names}}
