"""How long the messages of a stream are waited for, in an event loop whose time the test makes pass."""

import asyncio
from types import SimpleNamespace

import grpc
import pytest
from cryptable_protocol import MalformedMessageError
from cryptable_server.calls.grpc_entry import Requests, Unparsable
from cryptable_server.errors import DrainingError, StreamTooOldError, StreamTooSlowError
from virtual_time import run

LIMITS = SimpleNamespace(idle_seconds=30.0, max_seconds=100.0)


def now():
    return asyncio.get_running_loop().time()


class Stream:
    """Messages that come after so many seconds each, and then nothing, or the end."""

    def __init__(self, *seconds, ends=False):
        self.began = now()
        self._seconds = list(seconds)
        self._ends = ends
        self.requests = Requests(self._read, LIMITS)

    async def _read(self):
        if not self._seconds:
            if self._ends:
                return grpc.aio.EOF
            await asyncio.sleep(1e9)
        seconds = self._seconds.pop(0)
        await asyncio.sleep(seconds)
        return f"after {seconds}"

    @property
    def age(self):
        return pytest.approx(now() - self.began, abs=1e-6)


def test_messages_and_the_end():
    async def main():
        stream = Stream(29, 1, ends=True)
        assert [await stream.requests.next() for _ in range(3)] == ["after 29", "after 1", None]
        assert stream.age == 30

    run(main())


def test_bytes_that_are_no_message():
    async def main():
        async def read():
            return Unparsable("InferRequest")

        with pytest.raises(MalformedMessageError, match="not a InferRequest"):
            await Requests(read, LIMITS).next()

    run(main())


def test_silence_ends_a_stream():
    async def main():
        stream = Stream(20, 31)
        await stream.requests.next()
        with pytest.raises(StreamTooSlowError, match="30 s"):
            await stream.requests.next()
        assert stream.age == 50

    run(main())


def test_who_waits_for_an_answer_need_not_send():
    async def main():
        stream = Stream(70, 1e9)
        assert await stream.requests.next(waits=lambda: True) == "after 70"
        assert stream.age == 70

        # Answered after 40 seconds: the silence after that is too long, at the latest at the next look.
        stream = Stream()
        with pytest.raises(StreamTooSlowError):
            await stream.requests.next(waits=lambda: now() - stream.began < 40)
        assert stream.age == 60

    run(main())


@pytest.mark.parametrize("waits", [True, False])
def test_a_stream_has_an_age(waits):
    async def main():
        stream = Stream(25, 25, 25, 25.1)
        for _ in range(3):
            await stream.requests.next(waits=lambda: waits)
        with pytest.raises(StreamTooOldError):
            await stream.requests.next(waits=lambda: waits)
        assert stream.age == 100
        with pytest.raises(StreamTooOldError):
            await stream.requests.next()

    run(main())


@pytest.mark.parametrize(("seconds", "comes"), [(10.1, True), (10.3, False)])
def test_a_server_that_drains_waits_for_what_is_on_its_way(seconds, comes):
    async def main():
        stream, draining = Stream(seconds), asyncio.Event()
        asyncio.get_running_loop().call_later(10, draining.set)
        if comes:
            assert await stream.requests.next(until=draining) == f"after {seconds}"
        else:
            with pytest.raises(DrainingError):
                await stream.requests.next(until=draining)
            assert stream.age == 10.2

    run(main())


def test_bytes_have_to_come_at_some_pace():
    async def main():
        stream = Stream()
        await asyncio.sleep(40)
        stream.requests.check_pace(10 * 8192)
        with pytest.raises(StreamTooSlowError, match=f"{10 * 8192 - 1} bytes in 40 s, at least 8192 a second"):
            stream.requests.check_pace(10 * 8192 - 1)

    run(main())
