import threading
from pathlib import Path

import pytest
from cryptable_server.models.timed_reader import TimedReader
from waiting import until

A, B, C = map(Path, "abc")


def refuse():
    raise PermissionError(13, "not for you")


def test_outcomes_and_errors_in_order():
    outcomes = TimedReader(60).each({A: lambda: 1, B: refuse, C: lambda: 3})
    assert list(outcomes) == [A, B, C]
    assert (outcomes[A], outcomes[B].strerror, outcomes[C]) == (1, "not for you", 3)


def test_what_hangs_keeps_no_other_and_is_not_touched_again_before_it_returns():
    reader, back, begun = TimedReader(0.2), threading.Event(), []

    def hang():
        begun.append(threading.current_thread())
        back.wait()
        return 2

    reads = {A: lambda: 1, B: hang, C: lambda: 3}
    for _ in range(2):
        outcomes = reader.each(reads)
        assert (outcomes[A], outcomes[C]) == (1, 3)
        assert isinstance(outcomes[B], TimeoutError)
        assert "does not answer within 0.2 s" in outcomes[B].strerror
        assert not reader.recovered()
    (thread,) = begun
    assert thread.daemon  # else the process would wait for it
    back.set()
    until(reader.recovered)
    assert not reader.recovered()
    assert reader.each(reads) == {A: 1, B: 2, C: 3}


def test_other_errors_are_the_callers():
    with pytest.raises(ZeroDivisionError):
        TimedReader(60).each({A: lambda: 1 // 0, B: lambda: 1})
    with pytest.raises(PermissionError):
        TimedReader(60).one(A, refuse)
