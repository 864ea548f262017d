"""The asyncio API: the loop stays free, cancelling ends calls, and a running loop (Jupyter) is no hindrance."""

import asyncio
import threading
import time

import numpy as np
import pytest
from cryptable_client import NotFoundError, SecretKeys, aio, connect
from cryptable_protocol import InvalidInputError

ROWS = [[22.0, 3.0], [30.0, 15.5]]
VALUES = [[1, 1, 1, 0, 0, 6], [1, 1, 1, 1, 1, 31]]


def run(coroutine):
    return asyncio.run(asyncio.wait_for(coroutine, 60))


def test_predictions(echo, spec):
    async def use():
        (model,) = await aio.list_models(echo.address, insecure=True)
        fetched = await aio.fetch_spec(echo.address, model=model.name, insecure=True)
        async with await aio.connect(echo.address, model=model.name, insecure=True) as remote:
            assert remote.spec == fetched == spec
            assert remote.version == "7"
            assert "AsyncRemoteModel 'echo'" in repr(remote)
            first, second = await asyncio.gather(remote.predict(ROWS), remote.decision_function(ROWS[::-1]))
            with pytest.raises(InvalidInputError):
                await remote.predict_proba(ROWS)
            with pytest.raises(InvalidInputError, match="gives no contributions"):
                await remote.contributions(ROWS)
            assert (remote.contribution_names, remote.base_values) == ((), spec.decoder.base)
            assert remote.traffic["rows"] == 4
            assert remote.timings["predict"] > 0
        assert remote.secret_keys.closed
        return first, second

    first, second = run(use())
    np.testing.assert_array_equal(first, VALUES)
    np.testing.assert_array_equal(second, VALUES[::-1])
    assert not echo.keys


def test_a_long_table_is_answered_part_by_part_and_goes_on_where_it_was_stopped(echo, tmp_path):
    parts, kept, asked = [ROWS, ROWS[:1], ROWS[1:]], tmp_path / "kept", []

    def chunks():
        for part in parts:
            asked.append((len(part), threading.current_thread() is threading.main_thread()))
            yield part

    async def use(stop_after):
        found = []
        async with await aio.connect(echo.address, model="echo", insecure=True) as remote:
            predicting = remote.predict_chunks(chunks(), resume=kept)
            async for values in predicting:
                found.append(values)
                if len(found) == stop_after:
                    break
            await predicting.aclose()
            return np.concatenate(found), remote.traffic["rows"]

    first, rows = run(use(1))
    np.testing.assert_array_equal(first, VALUES)
    assert (rows, asked) == (2, [(2, False)])
    found, rows = run(use(9))
    np.testing.assert_array_equal(found, [*VALUES, VALUES[0], VALUES[1]])
    assert rows == 2


def test_chunks_that_are_cancelled_end_their_call(echo, tmp_path):
    arrived, ended = threading.Event(), threading.Event()

    def hold(response):
        arrived.set()
        ended.wait(30)
        return response

    async def use():
        async with await aio.connect(echo.address, model="echo", insecure=True) as remote:
            echo.change_answer = hold
            predicting = asyncio.ensure_future(anext(remote.predict_chunks([ROWS], resume=tmp_path / "kept")))
            await asyncio.to_thread(arrived.wait, 30)
            predicting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await predicting
            echo.change_answer = lambda response: response
            ended.set()
            (values,) = [each async for each in remote.predict_chunks([ROWS], resume=tmp_path / "kept")]
            np.testing.assert_array_equal(values, VALUES)

    run(use())


def test_a_chunk_that_does_not_fit_is_told_of(echo):
    async def use():
        async with await aio.connect(echo.address, model="echo", insecure=True) as remote:
            predicting = remote.predict_chunks([ROWS, [[1.0]]])
            np.testing.assert_array_equal(await anext(predicting), VALUES)
            with pytest.raises(InvalidInputError, match="in the part that begins with row 2"):
                await anext(predicting)

    run(use())


def test_the_loop_stays_free(echo):
    async def use():
        longest, stop = 0.0, False

        async def tick():
            nonlocal longest
            while not stop:
                before = time.perf_counter()
                await asyncio.sleep(0.001)
                longest = max(longest, time.perf_counter() - before)

        ticking = asyncio.ensure_future(tick())
        async with await aio.connect(echo.address, model="echo", insecure=True) as remote:
            await remote.predict(ROWS * 20)
        stop = True
        await ticking
        return longest

    assert run(use()) < 1.0


@pytest.mark.parametrize("rows", [1, 3])
def test_cancelling_ends_the_call(echo, rows):
    arrived, ended = threading.Event(), threading.Event()

    def hold(response):
        arrived.set()
        ended.wait(30)
        return response

    async def use():
        async with await aio.connect(echo.address, model="echo", insecure=True) as remote:
            echo.change_answer = hold
            predicting = asyncio.ensure_future(remote.predict(ROWS[:rows]))
            await asyncio.to_thread(arrived.wait, 30)
            began = time.perf_counter()
            predicting.cancel()
            with pytest.raises(asyncio.CancelledError):
                await predicting
            assert time.perf_counter() - began < 5
            echo.change_answer = lambda response: response
            ended.set()
            np.testing.assert_array_equal(await remote.predict(ROWS), VALUES)  # the connection lives on

    run(use())


def test_cancelling_a_connect_leaves_no_keys(echo):
    async def use():
        connecting = asyncio.ensure_future(aio.connect(echo.address, model="echo", insecure=True))
        await asyncio.sleep(0.02)
        connecting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await connecting

    run(use())
    for _ in range(200):
        if "DeleteEvaluationKeys" in echo.calls or not echo.calls:
            break
        time.sleep(0.05)
    assert not echo.keys


def test_errors_are_the_same(echo):
    async def use():
        await aio.connect(echo.address, model="none", insecure=True)

    with pytest.raises(NotFoundError):
        run(use())


def test_the_blocking_api_works_inside_a_running_loop(echo):
    """As in a notebook's cell."""

    async def cell():
        with connect(echo.address, model="echo", insecure=True) as remote:
            return remote.predict(ROWS)

    np.testing.assert_array_equal(run(cell()), VALUES)


def test_a_connection_serves_many_threads(echo):
    answers, failures = {}, []
    with connect(echo.address, model="echo", insecure=True) as remote:

        def use(number):
            try:
                rows = [[20.0 + number, 0.5 * number]]
                for _ in range(5):
                    answers.setdefault(number, []).append(remote.predict(rows).tolist())
            except Exception as error:  # noqa: BLE001 (shown below)
                failures.append(error)

        threads = [threading.Thread(target=use, args=(number,)) for number in range(6)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert remote.traffic["rows"] == 30
    assert not failures
    for number, got in answers.items():
        expected = [[[float(number >= edge) for edge in range(5)] + [float(number)]]] * 5
        assert got == expected
    assert len(set(echo.seeds)) == len(echo.seeds) == 30


def test_two_threads_share_keys_that_are_made_once(echo, spec):
    with SecretKeys.generate(spec) as secret_keys:

        def use():
            with connect(echo.address, model="echo", insecure=True, secret_keys=secret_keys) as remote:
                remote.predict(ROWS)

        threads = [threading.Thread(target=use) for _ in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(echo.keys) == 1
    assert len({bytes(upload) for upload in echo.uploads}) == 1
