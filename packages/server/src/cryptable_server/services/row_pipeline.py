"""RowPipeline: rows of one call on their way: several are evaluated at once, and answered in their order."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from contextlib import suppress

from cryptable_server.errors import OverloadedError
from cryptable_server.executors.executor import Evaluated, Evaluation, Executor

_ROWS_FOR_EACH_WORKER = 2
"""One that it evaluates, and one that it finds when it is done with that."""


class RowPipeline:
    """Reads rows and submits them, a few ahead of the answers; an asynchronous context manager.

    The first refusal, of a row or of its evaluation, comes in that row's place, after the answers to those before it.
    """

    def __init__(
        self,
        executor: Executor,
        read: Callable[[Callable[[], bool]], Awaitable[Evaluation | None]],
        ended: Callable[[Evaluation], None] = lambda evaluation: None,  # noqa: ARG005
    ) -> None:
        """Nothing is read before the block begins.

        Args:
            executor: evaluates.
            read: the next row, or None at the end; is given a function that tells whether an answer is waited for.
            ended: told of each row that was read, once it is answered, refused or dropped; by any thread.
        """
        self._executor = executor
        self._read = read
        self._ended = ended
        self._room = asyncio.Semaphore(_ROWS_FOR_EACH_WORKER * executor.parallel_rows)
        self._answers: asyncio.Queue[asyncio.Future[Evaluated] | None] = asyncio.Queue()
        self._underway: set[asyncio.Future[Evaluated]] = set()
        self._reader: asyncio.Task[None] | None = None

    async def __aenter__(self) -> RowPipeline:
        self._reader = asyncio.ensure_future(self._submit_all())
        return self

    async def __aexit__(self, *error: object) -> None:
        if self._reader is not None:
            self._reader.cancel()
            with suppress(asyncio.CancelledError):
                await self._reader
        for answer in self._underway:
            answer.cancel()

    async def next(self) -> Evaluated | None:
        """The answer to the next row, or None at the end.

        Raises:
            CryptableError: the row, or what came in its place, was refused; nothing comes after that.
        """
        answer = await self._answers.get()
        if answer is None:
            return None
        try:
            evaluated = await answer
        finally:
            del answer  # the error that it ends with leads here
        self._room.release()
        return evaluated

    async def _submit_all(self) -> None:
        try:
            while True:
                await self._room.acquire()
                evaluation = await self._read(lambda: bool(self._underway))
                if evaluation is None:
                    break
                self._answers.put_nowait(await self._submit(evaluation))
        except Exception as error:  # noqa: BLE001 - it is raised in its place among the answers
            self._answers.put_nowait(_refusal(error))
        self._answers.put_nowait(None)

    async def _submit(self, evaluation: Evaluation) -> asyncio.Future[Evaluated]:
        try:
            job = await self._submitted(evaluation)
        except BaseException:
            self._ended(evaluation)
            raise
        job.add_done_callback(lambda _: self._ended(evaluation))
        answer = asyncio.wrap_future(job)
        self._underway.add(answer)
        answer.add_done_callback(self._done)
        return answer

    async def _submitted(self, evaluation: Evaluation) -> Future[Evaluated]:
        while True:
            try:
                return self._executor.submit(evaluation)
            except OverloadedError:
                # Rows that this call has read ahead are not refused: it would have waited for those before.
                if not self._underway:
                    raise
                await asyncio.wait(self._underway, return_when=asyncio.FIRST_COMPLETED)

    def _done(self, answer: asyncio.Future[Evaluated]) -> None:
        self._underway.discard(answer)
        if not answer.cancelled():
            _ = answer.exception()  # it need not be waited for


def _refusal(error: Exception) -> asyncio.Future[Evaluated]:
    refusal: asyncio.Future[Evaluated] = asyncio.get_running_loop().create_future()
    refusal.set_exception(error)
    _ = refusal.exception()  # it need not be waited for
    return refusal
