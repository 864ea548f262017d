"""Which rows are begun, where, and in which order, seen by callers of a real server."""

import os
import signal
import threading
import time

import grpc
import pytest
from cryptable_protocol.messages import inference as pb

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
        reader.join(1.5)
        assert reader.is_alive()  # the stopped worker has one of the rows
        os.kill(stopped, signal.SIGCONT)
        reader.join(60)
        assert got == list(range(40))


def test_a_call_waits_for_its_answer_longer_than_a_silent_stream_may(start, artifacts, wire):
    spec = artifacts["linear"].client_spec
    with start("--idle-timeout", "0.3") as server:
        (worker,) = server.workers()
        os.kill(worker, signal.SIGSTOP)
        release = threading.Event()

        def messages():
            yield from wire.infer_messages(spec)
            release.wait()

        call = server.stub.Infer(messages())
        time.sleep(1.0)
        os.kill(worker, signal.SIGCONT)
        assert next(call).row == 0
        with pytest.raises(grpc.RpcError) as caught:
            next(call)
        assert caught.value.code() == Status.DEADLINE_EXCEEDED
        release.set()


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
