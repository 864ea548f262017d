"""Rows of one call, submitted to an executor whose rows end when the test says."""

import asyncio
from concurrent.futures import Future

import pytest
from cryptable_protocol import MalformedMessageError
from cryptable_server.errors import OverloadedError, WorkerDiedError
from cryptable_server.executors.executor import Evaluated, Evaluation
from cryptable_server.services.row_pipeline import RowPipeline


class ByHand:
    """An executor of `parallel_rows` rows at a time, which takes `room` rows."""

    parallel_rows = 2

    def __init__(self, room=100):
        self.room = room
        self.futures = []

    def submit(self, evaluation):
        if sum(not future.done() for future in self.futures) >= self.room:
            raise OverloadedError("full", retry_after=1.0)
        self.futures.append(Future())
        return self.futures[-1]

    def end(self, number):
        self.futures[number].set_result(Evaluated((b"%d" % number,), 0.0, 0.0))


class Rows:
    """Rows that are there, then an end, or what is raised in its place."""

    def __init__(self, count, end=None):
        self.read = 0
        self.count = count
        self.end = end
        self.waited = None

    async def __call__(self, waits):
        self.waited = waits
        if self.read == self.count:
            if self.end is not None:
                raise self.end
            return None
        self.read += 1
        return Evaluation("program", b"", None)


async def settle():
    for _ in range(10):
        await asyncio.sleep(0)


def run(main):
    asyncio.run(asyncio.wait_for(main(), 10))


def test_answers_come_in_order_whichever_row_ends_first():
    async def main():
        executor, rows = ByHand(), Rows(3)
        async with RowPipeline(executor, rows) as pipeline:
            await settle()
            for number in (2, 0, 1):
                executor.end(number)
            assert [(await pipeline.next()).tensors for _ in range(3)] == [(b"0",), (b"1",), (b"2",)]
            assert await pipeline.next() is None

    run(main)


def test_rows_are_read_two_for_each_worker_ahead_and_no_more():
    async def main():
        executor, rows = ByHand(), Rows(10)
        async with RowPipeline(executor, rows) as pipeline:
            await settle()
            assert rows.read == 4
            executor.end(0)
            await settle()
            assert rows.read == 4  # until it is answered
            await pipeline.next()
            await settle()
            assert rows.read == 5
            assert rows.waited()

    run(main)


@pytest.mark.parametrize("refusal", [MalformedMessageError("no row"), WorkerDiedError("died")])
def test_a_refusal_comes_in_its_place(refusal):
    async def main():
        executor = ByHand()
        rows = Rows(3 if isinstance(refusal, WorkerDiedError) else 1, refusal)
        async with RowPipeline(executor, rows) as pipeline:
            await settle()
            if rows.count == 3:
                executor.futures[1].set_exception(refusal)
            executor.end(0)
            assert (await pipeline.next()).tensors == (b"0",)
            with pytest.raises(type(refusal)):
                await pipeline.next()
        await settle()
        assert all(future.done() for future in executor.futures)

    run(main)


def test_a_full_queue_refuses_the_first_row_and_makes_those_after_it_wait():
    async def main():
        with pytest.raises(OverloadedError):
            async with RowPipeline(ByHand(room=0), Rows(1)) as pipeline:
                await pipeline.next()
        executor = ByHand(room=1)
        async with RowPipeline(executor, Rows(3)) as pipeline:
            for number in range(3):
                await settle()
                assert len(executor.futures) == number + 1
                executor.end(number)
                assert (await pipeline.next()).tensors == (b"%d" % number,)

    run(main)


def test_a_caller_that_goes_takes_its_rows_along():
    async def main():
        executor = ByHand()
        async with RowPipeline(executor, Rows(3)):
            await settle()
        await settle()
        assert [future.cancelled() for future in executor.futures] == [True] * 3

    run(main)


def test_every_row_that_was_read_ends_once():
    async def main():
        ended = []
        executor = ByHand()
        async with RowPipeline(executor, Rows(4), ended.append) as pipeline:
            await settle()
            executor.end(0)
            executor.futures[1].set_exception(WorkerDiedError("died"))
            assert len(ended) == 2
            await pipeline.next()
        await settle()
        assert len(ended) == 4
        refused = []
        with pytest.raises(OverloadedError):
            async with RowPipeline(ByHand(room=0), Rows(1), refused.append) as pipeline:
                await pipeline.next()
        assert len(refused) == 1
        # One that waits for room when its caller goes.
        waiting = []
        async with RowPipeline(ByHand(room=1), Rows(2), waiting.append):
            await settle()
            assert not waiting
        await settle()
        assert len(waiting) == 2

    run(main)
