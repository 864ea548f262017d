"""Which rows are begun, where, and in which order, seen by callers of a real server."""

import os
import signal
import threading

import grpc
import pytest
from cryptable_protocol.messages import inference as pb
from waiting import LONG_SECONDS

Status = grpc.StatusCode


def test_rows_of_one_call_are_spread_over_workers_and_answered_in_order(start, artifacts, wire):
    spec = artifacts["linear"].client_spec
    with start("--workers", "2") as server:
        stopped = server.workers()[1]
        os.kill(stopped, signal.SIGSTOP)
        got = []
        call = server.stub.Infer(wire.infer_messages(spec, rows=40))
        reader = threading.Thread(target=lambda: got.extend(answer.row for answer in call))
        reader.start()
        server.wait_for_rows(1)  # which the stopped worker has
        assert reader.is_alive()
        os.kill(stopped, signal.SIGCONT)
        reader.join(LONG_SECONDS)
        assert got == list(range(40))


def test_a_model_can_fill_its_part_of_the_queue_alone(start, artifacts, wire):
    linear = artifacts["linear"].client_spec
    with start("--queue", "4", "--queue-per-model", "1") as server:
        (worker,) = server.workers()
        os.kill(worker, signal.SIGSTOP)
        waiting = [server.stub.Infer(wire.infer_messages(linear)) for _ in range(2)]
        server.wait_for_rows(2)
        with pytest.raises(grpc.RpcError) as caught:
            server.infer(linear)
        refused = caught.value
        assert refused.code() == Status.RESOURCE_EXHAUSTED
        assert "rows for model 'linear'" in refused.details()
        assert int(dict(refused.trailing_metadata())["grpc-retry-pushback-ms"]) >= 100
        os.kill(worker, signal.SIGCONT)
        assert [len(list(call)) for call in waiting] == [1, 1]
        assert server.stub.ListModels(pb.ListModelsRequest()).models
