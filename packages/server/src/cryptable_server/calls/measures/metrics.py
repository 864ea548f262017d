"""Metrics: what a server counts, in Prometheus' form; no caller is named."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, ProcessCollector
from prometheus_client.core import GaugeMetricFamily
from prometheus_client.registry import Collector

from cryptable_server.calls.measures.metrics_page import metrics_page
from cryptable_server.executors.executor import Evaluated

_CALL_SECONDS = (0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30, 100, 300)


@dataclass(frozen=True)
class Counted:
    """Since the server's start."""

    rows: int
    key_cache_hits: int
    key_cache_misses: int


class _Labelled(Collector):
    """A gauge whose labels are what is there when it is asked for."""

    def __init__(
        self, name: str, about: str, labels: Sequence[str], read: Callable[[], Mapping[tuple[str, ...], float]]
    ) -> None:
        self._name, self._about, self._labels, self._read = name, about, labels, read

    def collect(self) -> Iterator[GaugeMetricFamily]:
        """See prometheus_client."""
        family = GaugeMetricFamily(self._name, self._about, labels=self._labels)
        for labels, value in self._read().items():
            family.add_metric(labels, value)
        yield family


class Metrics:
    """Counters that the parts of a server add to, and gauges that are read when they are asked for."""

    def __init__(self) -> None:
        self._registry = CollectorRegistry()
        self.on_row: Callable[[str, Evaluated], None] | None = None
        """Told of each row too."""
        ProcessCollector(registry=self._registry)  # CPU, memory and descriptors of the front
        self._calls = Counter("cryptable_calls", "Calls that have ended", ["method", "status"], registry=self._registry)
        self._call_seconds = Histogram(
            "cryptable_call_seconds",
            "From a call's arrival to its end",
            ["method"],
            buckets=_CALL_SECONDS,
            registry=self._registry,
        )
        self._rows = Counter("cryptable_rows", "Rows evaluated", ["model"], registry=self._registry)
        self._phases = Counter(
            "cryptable_row_seconds", "Wall seconds of rows, by phase", ["phase"], registry=self._registry
        )
        self._cpu = Counter("cryptable_row_cpu_seconds", "CPU seconds of evaluation", registry=self._registry)
        self._lookups = Counter("cryptable_lookups", "Programmable bootstrappings evaluated", registry=self._registry)
        self._keys = Counter(
            "cryptable_key_cache",
            "Rows that found their keys in a worker, or not",
            ["outcome"],
            registry=self._registry,
        )
        self._waits = Histogram(
            "cryptable_queue_seconds",
            "From a row's arrival until a worker took it",
            buckets=_CALL_SECONDS,
            registry=self._registry,
        )
        self._uploaded = Counter(
            "cryptable_uploaded_bytes", "Evaluation keys that were stored, in bytes", registry=self._registry
        )
        self._dropped = Counter(
            "cryptable_keys_dropped", "Evaluation keys that the server removed", ["reason"], registry=self._registry
        )
        self._audit = Counter(
            "cryptable_audit_lines", "Lines for the audit log, written or lost", ["outcome"], registry=self._registry
        )

    def call(self, method: str, status: str, seconds: float) -> None:
        """A call has ended."""
        self._calls.labels(method, status).inc()
        self._call_seconds.labels(method).observe(seconds)

    def row(self, model: str, evaluated: Evaluated) -> None:
        """A row has been evaluated, or several that travelled together."""
        if self.on_row is not None:
            self.on_row(model, evaluated)
        self._rows.labels(model).inc(evaluated.rows)
        self._phases.labels("queue").inc(evaluated.queue_seconds)
        self._waits.observe(evaluated.queue_seconds)
        self._phases.labels("keys").inc(evaluated.key_seconds)
        self._phases.labels("evaluation").inc(evaluated.wall_seconds - evaluated.trim_seconds)
        self._phases.labels("trim").inc(evaluated.trim_seconds)
        self._cpu.inc(evaluated.cpu_seconds)
        self._lookups.inc(evaluated.lookups)
        if evaluated.keys_cached is not None:
            self._keys.labels("hit" if evaluated.keys_cached else "miss").inc()

    def uploaded(self, size: int) -> None:
        """Evaluation keys have been stored."""
        self._uploaded.inc(size)

    def dropped(self, reason: str) -> None:
        """The server has removed evaluation keys."""
        self._dropped.labels(reason).inc()

    def audited(self, written: bool) -> None:
        """A line for the audit log was written, or could not be."""
        self._audit.labels("written" if written else "lost").inc()

    def counted(self) -> Counted:
        """What a summary tells."""
        rows = sum(
            sample.value
            for metric in self._rows.collect()
            for sample in metric.samples
            if sample.name.endswith("_total")
        )
        return Counted(int(rows), self._key_cache("hit"), self._key_cache("miss"))

    def _key_cache(self, outcome: str) -> int:
        return int(self._registry.get_sample_value("cryptable_key_cache_total", {"outcome": outcome}) or 0)

    def watch(self, name: str, about: str, read: Callable[[], float]) -> None:
        """Tell what `read` returns, whenever it is asked for."""
        Gauge(f"cryptable_{name}", about, registry=self._registry).set_function(read)

    def watch_labelled(
        self, name: str, about: str, labels: Sequence[str], read: Callable[[], Mapping[tuple[str, ...], float]]
    ) -> None:
        """The same for a value of each of several labels, which may change."""
        self._registry.register(_Labelled(f"cryptable_{name}", about, labels, read))

    @contextmanager
    def serving(self, host: str, port: int) -> Iterator[str]:
        """Answer GET /metrics on that address while the block lasts; the address, with the port that was taken.

        Raises:
            BindError: the address cannot be listened on.
        """
        with metrics_page(self._registry, host, port) as address:
            yield address
