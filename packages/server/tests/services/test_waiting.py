"""How long a call of Infer waits, in an event loop whose time the test makes pass."""

import asyncio
from concurrent.futures import Future
from contextlib import nullcontext
from types import SimpleNamespace

import pytest
from cryptable_server.calls.grpc_entry import Call, Requests
from cryptable_server.calls.measures.metrics import Metrics
from cryptable_server.errors import WorkerDiedError
from cryptable_server.models.store import Catalogue, Model
from cryptable_server.principals import ANONYMOUS
from cryptable_server.services.inference import InferenceService
from virtual_time import run

IDLE_SECONDS = 30.0


class OneRow:
    """An executor whose row ends when the test says."""

    parallel_rows = 1

    def __init__(self):
        self.row = Future()

    def submit(self, _):
        return self.row


class Served:
    """A model store of models that never change."""

    def __init__(self, *models):
        catalogue = Catalogue(models)
        self.get, self._of_spec = catalogue.get, catalogue.of_spec

    def use(self, name, digest):
        return nullcontext(self._of_spec(name, digest))


@pytest.fixture
def infer(artifacts, wire):
    """Begins a call of one row, whose stream stays open; its executor, and the task of its end."""
    spec = artifacts["linear"].client_spec

    def begin(draining=None):
        messages = list(wire.infer_messages(spec))

        async def read():
            if not messages:
                await asyncio.sleep(1e9)
            return messages.pop(0)

        async def answers():
            async for _ in service.Infer(requests, Call("Infer", "1", ANONYMOUS)):
                raise AssertionError("no row is answered here")

        requests = Requests(read, SimpleNamespace(idle_seconds=IDLE_SECONDS, max_seconds=1e6))
        executor = OneRow()
        service = InferenceService(
            models=Served(Model("1", spec, "program")),
            keys=None,
            executor=executor,
            metrics=Metrics(),
            max_rows=10,
            draining=draining or asyncio.Event(),
        )
        return executor, asyncio.ensure_future(answers())

    return begin


def test_a_call_waits_for_its_answer_longer_than_a_silent_stream_may(infer):
    async def main():
        executor, call = infer()
        await asyncio.sleep(100 * IDLE_SECONDS)
        assert not call.done()
        executor.row.set_exception(WorkerDiedError("at last"))
        with pytest.raises(WorkerDiedError, match="at last"):
            await call

    run(main())


def test_a_call_whose_server_drains_gets_the_answer_that_it_waits_for(infer):
    async def main():
        draining = asyncio.Event()
        executor, call = infer(draining)
        await asyncio.sleep(1)
        draining.set()
        await asyncio.sleep(100 * IDLE_SECONDS)
        assert not call.done()
        executor.row.set_exception(WorkerDiedError("at last"))
        with pytest.raises(WorkerDiedError, match="at last"):
            await call

    run(main())
