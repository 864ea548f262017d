"""Traces: each row that was evaluated as a span, and in it what it waited for, sent to a collector by OTLP over gRPC.

Spans are made when a row is answered, from what the executor measured. Their attributes name the model and what
evaluation cost, which nothing encrypted decides; no caller, key or ciphertext is in them. Needs the extra `otel`.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager

from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import SERVICE_NAME, SERVICE_VERSION, Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.trace import SpanKind, Tracer, set_span_in_context

from cryptable_server import __version__
from cryptable_server.executors.executor import Evaluated

_EXPORT_SECONDS = 3
"""For a batch to be taken, tries again included: a collector that is not there keeps the server's end no longer."""
_NANOSECONDS = 1_000_000_000


class Traces:
    """Makes spans of rows."""

    def __init__(self, tracer: Tracer) -> None:
        self._tracer = tracer

    def row(self, model: str, evaluated: Evaluated) -> None:
        """A row has been evaluated just now: what it took, backwards from here."""
        phases = {
            "queue": evaluated.queue_seconds,
            "keys": evaluated.key_seconds,
            "evaluate": evaluated.wall_seconds - evaluated.trim_seconds,
            "trim": evaluated.trim_seconds,
        }
        end = time.time_ns()
        begin = end - sum(map(_nanoseconds, phases.values()))
        facts: dict[str, str | int | float | bool] = {
            "cryptable.model": model,
            "cryptable.cpu_seconds": evaluated.cpu_seconds,
            "cryptable.lookups": evaluated.lookups,
            "cryptable.rows": evaluated.rows,
        }
        if evaluated.keys_cached is not None:
            facts["cryptable.keys_cached"] = evaluated.keys_cached
        whole = self._tracer.start_span("row", kind=SpanKind.SERVER, start_time=begin, attributes=facts)
        inside, at = set_span_in_context(whole), begin
        for name, seconds in phases.items():
            span = self._tracer.start_span(name, context=inside, start_time=at)
            at += _nanoseconds(seconds)
            span.end(at)
        whole.end(end)


def _nanoseconds(seconds: float) -> int:
    return round(seconds * _NANOSECONDS)


@contextmanager
def tracing(endpoint: str) -> Iterator[Traces]:
    """Traces that go to a collector while the block lasts; what is left is sent at its end.

    Args:
        endpoint: "http://HOST:PORT", or https, of the collector's gRPC port.
    """
    resource = Resource.create({SERVICE_NAME: "cryptable-server", SERVICE_VERSION: __version__})
    provider = TracerProvider(resource=resource, shutdown_on_exit=False)
    exporter = OTLPSpanExporter(endpoint=endpoint, insecure=endpoint.startswith("http://"), timeout=_EXPORT_SECONDS)
    provider.add_span_processor(BatchSpanProcessor(exporter))
    try:
        yield Traces(provider.get_tracer("cryptable_server", __version__))
    finally:
        provider.shutdown()
