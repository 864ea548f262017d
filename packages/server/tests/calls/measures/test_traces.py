"""Traces: one prediction, in a collector that speaks OTLP over gRPC on this machine."""

from concurrent.futures import ThreadPoolExecutor

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc
from waiting import until


class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    def __init__(self):
        self.requests = []

    def Export(self, request, context):
        self.requests.append(request)
        return trace_service_pb2.ExportTraceServiceResponse()

    @property
    def spans(self):
        return [
            span
            for request in self.requests
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]


@pytest.fixture
def collector():
    collector, server = Collector(), grpc.server(ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(collector, server)
    collector.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    yield collector
    server.stop(None).wait()


def test_a_prediction_is_a_trace(start, artifacts, collector):
    """A row, in it the queue, its keys, evaluation and trimming, one after the other; and nothing that a user gave."""
    spec = artifacts["tables"].client_spec
    with start("--traces", f"http://{collector.address}") as server:
        keys = server.upload(spec)
        server.infer(spec, keys, rows=2)
    until(lambda: len(collector.spans) == 10, about=lambda: collector.spans)
    rows = [span for span in collector.spans if span.name == "row"]
    assert len({row.trace_id for row in rows}) == 2
    for row in rows:
        inside = [span for span in collector.spans if span.parent_span_id == row.span_id]
        assert [span.name for span in inside] == ["queue", "keys", "evaluate", "trim"]
        assert {span.trace_id for span in inside} == {row.trace_id}
        times = [row.start_time_unix_nano, *(span.end_time_unix_nano for span in inside)]
        assert times[:-1] == [span.start_time_unix_nano for span in inside]
        assert times == sorted(times)
        assert times[-1] == row.end_time_unix_nano
        assert not any(span.attributes for span in inside)
        told = {each.key: each.value for each in row.attributes}
        assert set(told) == {f"cryptable.{name}" for name in ("model", "rows", "cpu_seconds", "lookups", "keys_cached")}
        assert told["cryptable.model"].string_value == "tables"
        assert told["cryptable.lookups"].int_value == 3
    whole = b"".join(request.SerializeToString() for request in collector.requests)
    assert b"cryptable-server" in whole
    assert keys not in whole
    assert keys.hex().encode()[:16] not in whole


def test_a_collector_that_is_not_there_stops_nobody(start, artifacts, wire):
    spec = artifacts["linear"].client_spec
    with start("--traces", "http://127.0.0.1:1") as server:
        assert len(server.infer(spec, rows=2)) == 2
